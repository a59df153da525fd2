//! The tenants that random calls are made in, and what the rows say of them, judged by the naive oracle.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use decision::{
    decision::{Outcome, Query},
    document::{Document, Role},
    name::{NodeKind, NodeName, Principal, RoleName, RoleOwner, Sponsor, UserName},
    oracle::Oracle,
    record::{Binding, GroupMember, Node, Record, Timestamp},
    reserved,
    world::World,
};

/// Four tenants on three role models, `#` being their number: an advertiser with seats, component maps and a partner; an agency with
/// customers; a marketplace with custom roles and nested groups. Everything that people call something carries its tenant's mark.
const TENANTS: &str = "
users:
  - { id: ann#, email: ann@acme#.example, display_name: mark-acme# ann }
  - { id: abe#, email: abe@acme#.example, display_name: mark-acme# abe }
  - { id: amy#, email: amy@acme#.example, display_name: mark-acme# amy }
  - { id: art#, email: art@acme#.example, display_name: mark-acme# art }
  - { id: ava#, email: ava@acme#.example, display_name: mark-acme# ava }
  - { id: bob#, email: bob@beta#.example, display_name: mark-beta# bob }
  - { id: bea#, email: bea@beta#.example, display_name: mark-beta# bea }
  - { id: nia#, email: nia@north#.example, display_name: mark-north# nia }
  - { id: ned#, email: ned@north#.example, display_name: mark-north# ned }
  - { id: nan#, email: nan@north#.example, display_name: mark-north# nan }
  - { id: cam#, email: cam@cust#.example, display_name: mark-cust# cam }
  - { id: owen#, email: owen@media#.example, display_name: mark-media# owen }
  - { id: gary#, email: gary@media#.example, display_name: mark-media# gary }
  - { id: dale#, email: dale@media#.example, display_name: mark-media# dale }
  - { id: zed#, email: zed@nowhere#.example, display_name: mark-nowhere# zed }
organizations:
  - id: acme#
    display_name: mark-acme# Acme
    model: ad-platform
    accounts: [{ id: a1, display_name: mark-acme# one }, { id: a2, display_name: mark-acme# two }]
    workspaces: [{ id: w1, display_name: mark-acme# space }]
    members: [ann#, abe#, amy#, art#, ava#]
    partnerships:
      - { id: p1, partner: beta#, node: accounts/a1, roles: [account-partner], components: { creative: edit, campaign_reporting: view }, accepted: true }
    bindings:
      - { principal: ann#, role: super-admin }
      - { principal: abe#, role: super-admin }
      - { principal: amy#, role: org-admin }
      - { principal: art#, role: org-standard, components: { creative: edit, access_management: edit, campaign_reporting: view } }
      - { principal: ava#, role: account-admin, node: accounts/a1 }
      - { principal: bob#, role: account-partner, node: accounts/a1, components: { creative: view }, sponsor: partnerships/p1 }
  - id: beta#
    display_name: mark-beta# Beta
    model: ad-platform
    accounts: [{ id: a1, display_name: mark-beta# one }]
    members: [bob#, bea#]
    bindings:
      - { principal: bob#, role: super-admin }
      - { principal: bea#, role: org-standard, components: { asset_library: edit, access_management: edit } }
  - id: north#
    display_name: mark-north# North
    model: agency
    workspaces: [{ id: w1, display_name: mark-north# one }, { id: w2, display_name: mark-north# two }]
    members: [nia#, ned#, nan#]
    groups: [{ id: staff, display_name: mark-north# staff, members: [nan#] }]
    bindings:
      - { principal: nia#, role: agency-admin }
      - { principal: ned#, role: workspace-admin, node: workspaces/w1 }
      - { principal: nan#, role: workspace-user, node: workspaces/w1, components: { finance: view, customers: view } }
  - id: cust#
    display_name: mark-cust# Customer
    parent: north#/workspaces/w1
    ceiling: [campaigns, reports, balance, settings]
    members: [cam#]
    bindings:
      - { principal: cam#, role: advertiser-admin }
      - { principal: nan#, role: customer-manager, components: { campaigns: edit }, sponsor: north#/workspaces/w1 }
  - id: media#
    display_name: mark-media# Media
    model: media-marketplace
    kind: mixed
    accounts: [{ id: a1, display_name: mark-media# one }, { id: a2, display_name: mark-media# two }]
    members: [owen#, gary#, dale#]
    groups:
      - { id: desk, display_name: mark-media# desk, members: [dale#] }
      - { id: all, display_name: mark-media# all, members: [groups/desk] }
    roles:
      - { id: gatekeeper, title: mark-media# gate, held_at: account, grants: [{ permissions: [planning.manage_user_access, reporting.view_reports] }] }
      - { id: dealer, title: mark-media# deal, held_at: account, grants: [{ components: { deals: edit, inventory: view } }] }
    bindings:
      - { principal: owen#, role: owner }
      - { principal: gary#, role: member }
      - { principal: dale#, role: member }
      - { principal: gary#, role: roles/gatekeeper, node: accounts/a1 }
      - { principal: groups/all, role: roles/dealer, node: accounts/a2 }
";

/// The ids of the tenants; a customer is one too.
pub const TENANT_IDS: [&str; 5] = ["acme", "beta", "north", "cust", "media"];

/// The tenants of this number.
pub fn tenants(number: usize) -> World {
    serde_saphyr::from_str(&TENANTS.replace('#', &number.to_string())).expect("a world")
}

/// Whether a key is of the tenants of this number, and not of those before them.
pub fn is_of(key: &str, number: usize) -> bool {
    let id = key.split('/').nth(1).unwrap_or_default();
    id.trim_start_matches(|c: char| !c.is_ascii_digit()).split('-').next() == Some(&number.to_string())
}

/// What an outcome is worth: nothing, something once attributes are given, everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    #[default]
    Deny,
    Conditional,
    Allow,
}

/// Somebody's rank for a permission, and the binding that allows it.
pub type Access = BTreeMap<String, (Rank, Option<String>)>;

/// A user on a node.
pub type Place = (UserName, NodeName);

/// Everything at one moment, as the rows say.
pub struct Moment<'m> {
    pub records: &'m BTreeMap<String, Record>,
    oracle: Oracle<'m>,
    now: Timestamp,
    models: &'m BTreeMap<String, Record>,
    bindings: Vec<&'m Binding>,
    /// Groups by who is directly in them.
    edges: BTreeMap<&'m str, Vec<&'m str>>,
    nodes: OnceCell<Vec<NodeName>>,
    homes: RefCell<BTreeMap<UserName, BTreeSet<NodeName>>>,
    known: RefCell<BTreeMap<UserName, BTreeSet<NodeName>>>,
}

impl<'m> Moment<'m> {
    pub fn of(
        records: &'m BTreeMap<String, Record>,
        list: &'m [Record],
        known: &Oracle<'m>,
        models: &'m BTreeMap<String, Record>,
        now: Timestamp,
    ) -> Self {
        let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for record in records.values() {
            if let Record::GroupEdge(edge) = record {
                let member = match &edge.member {
                    GroupMember::User(user) => user.as_str(),
                    GroupMember::Group(group) => group.as_str(),
                };
                edges.entry(member).or_default().push(edge.group.as_str());
            }
        }
        let bindings = records.values().filter_map(|record| if let Record::Binding(binding) = record { Some(binding) } else { None });
        Self {
            records,
            oracle: known.beside(list),
            now,
            models,
            bindings: bindings.collect(),
            edges,
            nodes: OnceCell::new(),
            homes: RefCell::default(),
            known: RefCell::default(),
        }
    }

    pub fn rank(&self, user: &UserName, permission: &str, node: &NodeName) -> (Rank, Option<String>) {
        let query = Query { user: user.clone(), permission: permission.to_owned(), resource: node.clone(), attributes: BTreeMap::new() };
        match self.oracle.decide(&query, self.now).map(|decision| decision.outcome) {
            Ok(Outcome::Allow(grant)) => (Rank::Allow, Some(grant.binding.to_string())),
            Ok(Outcome::Conditional(_)) => (Rank::Conditional, None),
            Ok(Outcome::Deny(_)) | Err(_) => (Rank::Deny, None),
        }
    }

    pub fn may(&self, user: &UserName, permission: &str, node: &NodeName) -> bool {
        self.rank(user, permission, node).0 == Rank::Allow
    }

    /// Everything that a user can do to a node.
    pub fn access(&self, (user, node): &Place) -> Access {
        let mut access = Access::new();
        let Some(document) = self.document(node) else { return access };
        let node_type = type_of(document, node);
        let own = document.permissions.iter().filter(|one| one.types.iter().any(|known| Some(known.as_str()) == node_type));
        let reserved = reserved::permissions().iter().map(|one| one.id).filter(|_| node.is_container() || node_type.is_some());
        for permission in own.map(|one| one.id.as_str()).chain(reserved) {
            let rank = self.rank(user, permission, node);
            if rank.0 > Rank::Deny {
                access.insert(permission.to_owned(), rank);
            }
        }
        access
    }

    pub fn node(&self, name: &NodeName) -> Option<&'m Node> {
        match self.records.get(name.as_str()) {
            Some(Record::Node(node)) => Some(node),
            _ => None,
        }
    }

    /// What a node is in.
    pub fn parent(&self, name: &NodeName) -> Option<NodeName> {
        name.leaf_parent().or_else(|| self.node(name)?.parent.clone())
    }

    pub fn root(&self, name: &NodeName) -> NodeName {
        let mut organization = name.organization();
        while let Some(parent) = self.node(&organization).and_then(|node| node.parent.clone()) {
            organization = parent.organization();
        }
        organization
    }

    /// Whether a node is at or below another.
    pub fn is_below(&self, name: &NodeName, above: &NodeName) -> bool {
        let mut at = Some(name.clone());
        while let Some(name) = at {
            if name == *above {
                return true;
            }
            at = match name.kind() {
                NodeKind::Workspace => Some(name.organization()),
                _ => self.parent(&name),
            };
        }
        false
    }

    pub fn document(&self, name: &NodeName) -> Option<&'m Document> {
        let (model, revision) = self.node(&self.root(name))?.model.as_ref()?;
        match self.models.get(&format!("roleModels/{model}/revisions/{revision}")) {
            Some(Record::ModelRevision(revision)) => Some(&revision.document),
            _ => None,
        }
    }

    /// Whether by it a role may come to be held that a permission needs somebody to hold.
    pub fn opens(&self, binding: &Binding) -> bool {
        let Some(document) = self.document(&binding.node) else { return false };
        let mut ids = vec![binding.role.id()];
        let mut at = 0;
        while let Some(id) = ids.get(at).copied() {
            at += 1;
            // Who holds a role that requires this one may hold it in earnest by this.
            for role in document.roles.iter().filter(|role| role.requires.iter().any(|required| required == id)) {
                if !ids.contains(&role.id.as_str()) {
                    ids.push(&role.id);
                }
            }
        }
        let needed = |id: &&str| document.permissions.iter().any(|one| one.needs.organization_has.iter().any(|role| role == id));
        ids.iter().any(needed)
    }

    /// Whether there a permission needs that somebody, whoever it is, holds a role at the organization.
    pub fn hangs_on_others(&self, node: &NodeName) -> bool {
        self.document(node).is_some_and(|document| document.permissions.iter().any(|one| !one.needs.organization_has.is_empty()))
    }

    pub fn system_role(&self, role: &RoleName, node: &NodeName) -> Option<&'m Role> {
        let document = self.document(node)?;
        let of_the_tree = matches!(role.owner(), RoleOwner::Model(model) if model == document.model);
        document.roles.iter().find(|known| of_the_tree && known.id == role.id())
    }

    pub fn users(&self) -> Vec<UserName> {
        self.all(|record| if let Record::User(user) = record { Some(user.name.clone()) } else { None })
    }

    /// Registered nodes, and of every collection one leaf that is not.
    pub fn nodes(&self) -> &[NodeName] {
        self.nodes.get_or_init(|| self.list_nodes())
    }

    fn list_nodes(&self) -> Vec<NodeName> {
        let mut nodes: Vec<NodeName> = self.all(|record| if let Record::Node(node) = record { Some(node.name.clone()) } else { None });
        for container in nodes.clone().into_iter().filter(NodeName::is_container) {
            let Some(document) = self.document(&container) else { continue };
            let node_type = type_of(document, &container).unwrap_or_default();
            for leaf in document.types.iter().filter(|leaf| leaf.parents.iter().any(|parent| parent == node_type)) {
                nodes.extend(NodeName::parse(&format!("{container}/{}/x", leaf.collection)));
            }
        }
        nodes
    }

    pub fn bindings(&self) -> &[&'m Binding] {
        &self.bindings
    }

    pub fn all<T>(&self, pick: impl Fn(&'m Record) -> Option<T>) -> Vec<T> {
        self.records.values().filter_map(pick).collect()
    }

    /// The organizations that somebody is taken in by, suspended or not.
    pub fn homes(&self, user: &UserName) -> BTreeSet<NodeName> {
        self.homes.borrow_mut().entry(user.clone()).or_insert_with(|| self.find_homes(user)).clone()
    }

    fn find_homes(&self, user: &UserName) -> BTreeSet<NodeName> {
        let of = |record: &Record| match record {
            Record::Member(member) if member.name.id() == user.id() => Some(member.name.organization()),
            _ => None,
        };
        self.records.values().filter_map(of).collect()
    }

    /// The groups that somebody is in, however deep.
    pub fn groups_of(&self, member: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut latest = vec![member.to_owned()];
        while let Some(inner) = latest.pop() {
            for group in self.edges.get(inner.as_str()).into_iter().flatten() {
                if found.insert((*group).to_owned()) {
                    latest.push((*group).to_owned());
                }
            }
        }
        found
    }

    /// Whether a binding's principal is, or contains, a user.
    pub fn reaches(&self, binding: &Binding, user: &UserName) -> bool {
        match &binding.principal {
            Principal::User(name) => name == user,
            Principal::Group(group) => self.groups_of(user.as_str()).contains(group.as_str()),
            Principal::Organization(organization) => self.homes(user).contains(organization),
            Principal::Anyone => true,
        }
    }

    /// The tenants that a user may know of: where they are, where they hold something, and the partners of these.
    pub fn known_to(&self, user: &UserName) -> BTreeSet<NodeName> {
        if let Some(known) = self.known.borrow().get(user) {
            return known.clone();
        }
        let known = self.find_known(user);
        self.known.borrow_mut().insert(user.clone(), known.clone());
        known
    }

    fn find_known(&self, user: &UserName) -> BTreeSet<NodeName> {
        let mut known: BTreeSet<NodeName> = self.homes(user);
        known.extend(self.bindings().iter().filter(|binding| self.reaches(binding, user)).map(|one| one.node.organization()));
        // Parenthood; then partnership, also that of a customer, and the partners' own.
        known = self.in_trees_of(&known);
        let mut partners = BTreeSet::new();
        for record in self.records.values() {
            if let Record::Partnership(partnership) = record {
                let (one, other) = (partnership.name.organization(), partnership.partner.clone());
                if known.contains(&one) || known.contains(&other) {
                    partners.extend([one, other]);
                }
            }
        }
        known.extend(self.in_trees_of(&partners));
        known
    }

    /// Every organization above or below one of these.
    fn in_trees_of(&self, some: &BTreeSet<NodeName>) -> BTreeSet<NodeName> {
        let roots: BTreeSet<NodeName> = some.iter().map(|one| self.root(one)).collect();
        let organizations = self.nodes().iter().filter(|node| node.kind() == NodeKind::Organization);
        organizations.filter(|one| roots.contains(&self.root(one))).cloned().collect()
    }

    /// What sponsors a binding, as its name.
    pub fn sponsor(binding: &Binding) -> Option<String> {
        binding.sponsor.as_ref().map(Sponsor::to_string)
    }
}

/// The type of a node, by its name.
pub fn type_of<'d>(document: &'d Document, name: &NodeName) -> Option<&'d str> {
    match name.kind() {
        NodeKind::Organization => Some("organization"),
        NodeKind::Workspace => Some("workspace"),
        NodeKind::Account => Some("account"),
        NodeKind::Leaf { collection } => document.types.iter().find(|known| known.collection == collection).map(|known| known.id.as_str()),
    }
}
