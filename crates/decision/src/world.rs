//! A whole world in a page: the format in which tests, demos and model authors write down who is there and what they hold.
//!
//! Everything in a [`World`] is something that the directory's API can produce. Whoever creates one there goes in this
//! order: users; organizations with their bindings of required roles, roots before customers; workspaces and accounts;
//! members, each together with the binding of their organization role, if they have one; groups; custom roles;
//! ceilings; partnerships, accepted by the partner where `accepted`; registered resources; the other bindings, `requires` before what
//! requires it (the order in which they are written); pauses, suspensions and deletions at the end.
//!
//! Names may be short. Inside an organization they are relative to it: `workspaces/emea`, `groups/buyers`, `roles/buyer`,
//! `partnerships/p1`; nothing at all is the organization itself. Anywhere, the leading `organizations/` and `users/` may be left out
//! (`acme/accounts/a1`, `ann`), and a bare role id is the system role of that name in the tree's model.

mod names;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::names::{node_name, principal, role_name, sponsor, user_name, value};

use crate::{
    document::{ConditionUse, Grant, Level},
    name::{
        BindingName, GroupName, MalformedName, MemberName, NodeKind, NodeName, PartnershipName, Principal, RoleName, Sponsor, UserName,
    },
    record::{
        Binding, CustomRole, GroupEdge, GroupMember, Member, Node, NodeState, OrganizationKind, Partnership, Record, Timestamp, User, Value,
    },
};

/// A world.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// Users and service accounts.
    pub users: Vec<WorldUser>,
    /// Organizations; a customer after the one that its parent workspace is in.
    pub organizations: Vec<WorldOrganization>,
}

/// A user; as text, only the id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "IdOr<FullUser>", into = "FullUser")]
pub struct WorldUser {
    /// `ann`.
    pub id: String,
    /// Verified e-mail address; left out: `{id}@example.com`.
    pub email: Option<String>,
    /// What people call them; left out: the id.
    pub display_name: Option<String>,
    /// Suspended by the platform.
    pub suspended: bool,
    /// The organization that manages them, among whose members they are too: `acme`. Left out: nobody does.
    pub managed_by: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FullUser {
    id: String,
    email: Option<String>,
    display_name: Option<String>,
    suspended: bool,
    managed_by: Option<String>,
}

/// An id alone, or the whole entry.
#[derive(Deserialize)]
#[serde(untagged)]
enum IdOr<T> {
    Id(String),
    Full(T),
}

impl From<IdOr<FullUser>> for WorldUser {
    fn from(entry: IdOr<FullUser>) -> Self {
        match entry {
            IdOr::Id(id) => Self { id, ..Self::default() },
            IdOr::Full(FullUser { id, email, display_name, suspended, managed_by }) => {
                Self { id, email, display_name, suspended, managed_by }
            }
        }
    }
}

impl From<WorldUser> for FullUser {
    fn from(WorldUser { id, email, display_name, suspended, managed_by }: WorldUser) -> Self {
        Self { id, email, display_name, suspended, managed_by }
    }
}

/// An organization and all that is in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldOrganization {
    /// `acme`.
    pub id: String,
    /// What people call it; left out: the id.
    pub display_name: Option<String>,
    /// `https://acme.example`.
    pub website: String,
    /// `Lyon, FR`.
    pub location: String,
    /// A root's role model; left out for customers.
    pub model: String,
    /// The revision of it that the tree is pinned to. Left out: 1.
    pub model_revision: Option<u32>,
    /// Marketer, publisher or mixed.
    pub kind: WorldKind,
    /// The workspace whose customer it is: `agency/workspaces/north`. Left out for roots.
    pub parent: String,
    /// Set after everything else.
    pub state: WorldState,
    /// The components enabled at it.
    pub ceiling: Option<BTreeSet<String>>,
    /// Its workspaces.
    pub workspaces: Vec<WorldWorkspace>,
    /// Its accounts.
    pub accounts: Vec<WorldAccount>,
    /// Its members.
    pub members: Vec<WorldMember>,
    /// Its groups.
    pub groups: Vec<WorldGroup>,
    /// Its custom roles.
    pub roles: Vec<WorldRole>,
    /// The partnerships that it offers.
    pub partnerships: Vec<WorldPartnership>,
    /// Its registered resources.
    pub resources: Vec<WorldResource>,
    /// The role bindings at it and below it.
    pub bindings: Vec<WorldBinding>,
}

/// The kind of an organization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorldKind {
    /// Buys.
    #[default]
    Marketer,
    /// Sells.
    Publisher,
    /// Both.
    Mixed,
}

/// The state of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorldState {
    /// In use.
    #[default]
    Active,
    /// Suspended after it was created.
    Suspended,
    /// Deleted after it was created.
    Deleted,
}

/// A workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldWorkspace {
    /// `emea`.
    pub id: String,
    /// What people call it; left out: the id.
    pub display_name: Option<String>,
    /// Set after everything else.
    pub state: WorldState,
    /// The components enabled at it.
    pub ceiling: Option<BTreeSet<String>>,
    /// Stored attributes.
    pub attributes: BTreeMap<String, serde_json::Value>,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldAccount {
    /// `a1`.
    pub id: String,
    /// What people call it; left out: the id.
    pub display_name: Option<String>,
    /// The id of the workspace that it is in; left out: the organization itself.
    pub workspace: String,
    /// Paused after it was created.
    pub paused: bool,
    /// Set after everything else.
    pub state: WorldState,
    /// The components enabled at it.
    pub ceiling: Option<BTreeSet<String>>,
    /// Stored attributes.
    pub attributes: BTreeMap<String, serde_json::Value>,
}

/// A member; as text, only the user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "IdOr<FullMember>", into = "FullMember")]
pub struct WorldMember {
    /// The user's id.
    pub user: String,
    /// Suspended in this organization.
    pub suspended: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FullMember {
    user: String,
    suspended: bool,
}

impl From<IdOr<FullMember>> for WorldMember {
    fn from(entry: IdOr<FullMember>) -> Self {
        match entry {
            IdOr::Id(user) => Self { user, suspended: false },
            IdOr::Full(FullMember { user, suspended }) => Self { user, suspended },
        }
    }
}

impl From<WorldMember> for FullMember {
    fn from(WorldMember { user, suspended }: WorldMember) -> Self {
        Self { user, suspended }
    }
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldGroup {
    /// `buyers`.
    pub id: String,
    /// What people call it; left out: the id.
    pub display_name: Option<String>,
    /// Users (`ann`) and groups of the same organization (`groups/seniors`).
    pub members: Vec<String>,
}

/// A custom role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldRole {
    /// `buyer`.
    pub id: String,
    /// What people call it; left out: the id.
    pub title: Option<String>,
    /// The type of node that it is held at.
    pub held_at: String,
    /// What it gives.
    pub grants: Vec<Grant>,
}

/// A partnership.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldPartnership {
    /// `p1`.
    pub id: String,
    /// The organization that is let in.
    pub partner: String,
    /// Where; left out: the organization.
    pub node: String,
    /// The roles that may be held by it.
    pub roles: Vec<String>,
    /// The components that may be reached by it; left out: no bound.
    pub components: Option<BTreeMap<String, Level>>,
    /// The users who may; left out: every active member of the partner.
    pub users: Option<Vec<String>>,
    /// Ends so many seconds after the world was made.
    pub expires_in_seconds: Option<u32>,
    /// The partner has accepted.
    pub accepted: bool,
}

/// A registered resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldResource {
    /// `workspaces/emea/campaigns/42`.
    pub name: String,
    /// Stored attributes.
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// Ended after it was registered, and its bindings with it.
    pub ended: bool,
}

/// A role binding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldBinding {
    /// Left out: [`WorldBinding::id`] makes one of principal, role and node: `ann-buyer`, `ann-buyer-a1`.
    pub id: Option<String>,
    /// Who.
    pub principal: String,
    /// What.
    pub role: String,
    /// Where; left out: the organization.
    pub node: String,
    /// The component map.
    pub components: Option<BTreeMap<String, Level>>,
    /// The condition.
    pub condition: Option<ConditionUse>,
    /// Ends so many seconds after the world was made.
    pub expires_in_seconds: Option<u32>,
    /// The partnership or workspace that lets a non-member hold it.
    pub sponsor: Option<String>,
}

impl WorldBinding {
    /// The binding's id, the written one or the one made of its parts.
    pub fn id(&self) -> String {
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        match &self.id {
            Some(id) => id.clone(),
            None if self.node.is_empty() => format!("{}-{}", last(&self.principal), last(&self.role)),
            None => format!("{}-{}-{}", last(&self.principal), last(&self.role), last(&self.node).to_ascii_lowercase()),
        }
    }
}

/// What is wrong with a world.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WorldError {
    /// A name is not one.
    #[error("{place}: {cause}")]
    Name {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        cause: MalformedName,
    },
    /// Something is named that the world does not have.
    #[error("{place}: the world has no `{missing}`")]
    Missing {
        /// Where it is named.
        place: String,
        /// The name.
        missing: String,
    },
    /// Two things have one name.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// A root without a model, or a customer with one.
    #[error("`{0}`: a root organization has a model, a customer has a parent workspace; never both, never neither")]
    Pin(String),
    /// An attribute's value is not text, a boolean, an integer or a list of text.
    #[error("{place}: attribute `{attribute}` must be text, a boolean, an integer or a list of text")]
    Attribute {
        /// The node.
        place: String,
        /// The attribute.
        attribute: String,
    },
}

fn values(place: &NodeName, given: &BTreeMap<String, serde_json::Value>) -> Result<BTreeMap<String, Value>, WorldError> {
    let mut read = BTreeMap::new();
    for (id, json) in given {
        let Some(value) = value(json) else {
            return Err(WorldError::Attribute { place: place.to_string(), attribute: id.clone() });
        };
        read.insert(id.clone(), value);
    }
    Ok(read)
}

impl From<WorldKind> for OrganizationKind {
    fn from(kind: WorldKind) -> Self {
        match kind {
            WorldKind::Marketer => Self::Marketer,
            WorldKind::Publisher => Self::Publisher,
            WorldKind::Mixed => Self::Mixed,
        }
    }
}

impl From<WorldState> for NodeState {
    fn from(state: WorldState) -> Self {
        match state {
            WorldState::Active => Self::Active,
            WorldState::Suspended => Self::Suspended,
            WorldState::Deleted => Self::Deleted,
        }
    }
}

fn at<T>(place: &str, read: Result<T, MalformedName>) -> Result<T, WorldError> {
    read.map_err(|cause| WorldError::Name { place: place.to_owned(), cause })
}

impl World {
    /// The organization of that id.
    pub fn organization(&self, id: &str) -> Option<&WorldOrganization> {
        self.organizations.iter().find(|organization| organization.id == id)
    }

    /// The role model that the tree of an organization uses, by following parents up to the root.
    pub fn model_of(&self, organization: &str) -> Option<&str> {
        let mut current = self.organization(organization)?;
        // Parents precede their customers in any creatable world, so the walk is as short as the list is long.
        for _ in 0..self.organizations.len() {
            if current.parent.is_empty() {
                return Some(&current.model);
            }
            let parent = node_name(&current.parent, None).ok()?;
            current = self.organization(parent.organization().id())?;
        }
        None
    }

    /// The records of everything in the world, at `now`, in an order in which it could be created; role model revisions are the
    /// caller's to add. Checks that what is named is there and that nothing is there twice, and no more: whether roles exist, and may be
    /// held so, is the model's affair.
    pub fn records(&self, now: Timestamp) -> Result<Vec<Record>, WorldError> {
        let mut records = Vec::new();
        for user in &self.users {
            let confined_to = user.managed_by.as_deref().map(|home| at("users", node_name(home, None))).transpose()?;
            records.push(Record::User(User { name: at("users", user_name(&user.id))?, suspended: user.suspended, confined_to }));
        }
        for organization in &self.organizations {
            self.organization_records(organization, now, &mut records)?;
        }
        let mut keys = BTreeSet::new();
        for record in &records {
            if !keys.insert(record.key()) {
                return Err(WorldError::Twice(record.key()));
            }
        }
        for record in &records {
            named(record, &keys)?;
        }
        Ok(records)
    }

    fn organization_records(&self, organization: &WorldOrganization, now: Timestamp, out: &mut Vec<Record>) -> Result<(), WorldError> {
        let home = at("organizations", node_name(&organization.id, None))?;
        let place = home.as_str();
        let missing = |missing: &str| WorldError::Missing { place: place.to_owned(), missing: missing.to_owned() };
        let model = self.model_of(&organization.id).ok_or_else(|| missing(&organization.parent))?;
        if organization.model.is_empty() == organization.parent.is_empty() {
            return Err(WorldError::Pin(organization.id.clone()));
        }
        let parent = if organization.parent.is_empty() { None } else { Some(at(place, node_name(&organization.parent, None))?) };
        let pin = parent.is_none().then(|| (organization.model.clone(), organization.model_revision.unwrap_or(1)));
        out.push(Record::Node(Node {
            parent,
            state: organization.state.into(),
            kind: organization.kind.into(),
            model: pin,
            ceiling: organization.ceiling.clone(),
            ..blank(home.clone())
        }));
        for workspace in &organization.workspaces {
            let name = at(place, node_name(&format!("workspaces/{}", workspace.id), Some(&home)))?;
            out.push(Record::Node(Node {
                parent: Some(home.clone()),
                state: workspace.state.into(),
                ceiling: workspace.ceiling.clone(),
                attributes: values(&name, &workspace.attributes)?,
                ..blank(name)
            }));
        }
        for account in &organization.accounts {
            let name = at(place, node_name(&format!("accounts/{}", account.id), Some(&home)))?;
            let inside = if account.workspace.is_empty() { String::new() } else { format!("workspaces/{}", account.workspace) };
            out.push(Record::Node(Node {
                parent: Some(at(place, node_name(&inside, Some(&home)))?),
                state: account.state.into(),
                paused: account.paused,
                ceiling: account.ceiling.clone(),
                attributes: values(&name, &account.attributes)?,
                ..blank(name)
            }));
        }
        for member in &organization.members {
            let name = at(place, MemberName::parse(&format!("{home}/members/{}", member.user)))?;
            out.push(Record::Member(Member { name, suspended: member.suspended }));
        }
        for group in &organization.groups {
            let name = at(place, GroupName::parse(&format!("{home}/groups/{}", group.id)))?;
            for member in &group.members {
                let member = match at(place, principal(member, Some(&home)))? {
                    Principal::User(user) => GroupMember::User(user),
                    Principal::Group(inner) => GroupMember::Group(inner),
                    Principal::Organization(_) | Principal::Anyone => return Err(missing(member)),
                };
                out.push(Record::GroupEdge(GroupEdge { group: name.clone(), member }));
            }
        }
        for role in &organization.roles {
            let name = at(place, RoleName::parse(&format!("{home}/roles/{}", role.id)))?;
            out.push(Record::CustomRole(CustomRole { name, held_at: role.held_at.clone(), grants: role.grants.clone() }));
        }
        for resource in &organization.resources {
            let name = at(place, node_name(&resource.name, Some(&home)))?;
            let state = if resource.ended { NodeState::Deleted } else { NodeState::Active };
            out.push(Record::Node(Node { state, attributes: values(&name, &resource.attributes)?, ..blank(name) }));
        }
        for partnership in &organization.partnerships {
            out.push(Record::Partnership(partnership_record(partnership, model, &home, now)?));
        }
        for binding in &organization.bindings {
            out.push(Record::Binding(binding_record(binding, model, &home, now)?));
        }
        Ok(())
    }
}

/// An active node without anything.
fn blank(name: NodeName) -> Node {
    Node {
        name,
        parent: None,
        state: NodeState::Active,
        paused: false,
        kind: OrganizationKind::default(),
        model: None,
        ceiling: None,
        attributes: BTreeMap::new(),
    }
}

fn after(now: Timestamp, seconds: Option<u32>) -> Option<Timestamp> {
    seconds.map(|seconds| Timestamp(now.0 + i64::from(seconds) * 1_000_000))
}

/// The record of a partnership of the organization `home`, whose tree uses `model`.
pub fn partnership_record(partnership: &WorldPartnership, model: &str, home: &NodeName, now: Timestamp) -> Result<Partnership, WorldError> {
    let place = format!("{home}/partnerships/{}", partnership.id);
    let mut roles = BTreeSet::new();
    for role in &partnership.roles {
        roles.insert(at(&place, role_name(role, model, home))?);
    }
    let users = match &partnership.users {
        None => None,
        Some(users) => Some(users.iter().map(|user| at(&place, user_name(user))).collect::<Result<BTreeSet<_>, _>>()?),
    };
    Ok(Partnership {
        name: at(&place, PartnershipName::parse(&place))?,
        partner: at(&place, node_name(&partnership.partner, None))?,
        node: at(&place, node_name(&partnership.node, Some(home)))?,
        roles,
        components: partnership.components.clone(),
        users,
        expires: after(now, partnership.expires_in_seconds),
        accepted: partnership.accepted,
    })
}

/// The record of a role binding of the organization `home`, whose tree uses `model`.
pub fn binding_record(binding: &WorldBinding, model: &str, home: &NodeName, now: Timestamp) -> Result<Binding, WorldError> {
    let place = format!("{home}/roleBindings/{}", binding.id());
    let sponsor = match &binding.sponsor {
        None => None,
        Some(text) => Some(at(&place, sponsor(text, home))?),
    };
    Ok(Binding {
        name: at(&place, BindingName::parse(&place))?,
        principal: at(&place, principal(&binding.principal, Some(home)))?,
        role: at(&place, role_name(&binding.role, model, home))?,
        node: at(&place, node_name(&binding.node, Some(home)))?,
        components: binding.components.clone(),
        condition: binding.condition.clone(),
        expires: after(now, binding.expires_in_seconds),
        sponsor,
    })
}

/// Refuses a record that names what is not among `keys`: a typing error in a world would else only show as a missing grant.
fn named(record: &Record, keys: &BTreeSet<String>) -> Result<(), WorldError> {
    let mut wanted: Vec<String> = Vec::new();
    match record {
        Record::Node(node) => {
            wanted.extend(node.parent.iter().map(NodeName::to_string));
            wanted.extend(node.name.leaf_parent().iter().map(NodeName::to_string));
        }
        Record::Member(member) => wanted.push(format!("users/{}", member.name.id())),
        Record::GroupEdge(GroupEdge { member: GroupMember::User(user), .. }) => wanted.push(user.to_string()),
        Record::Partnership(partnership) => {
            wanted.extend([partnership.partner.to_string(), partnership.node.to_string()]);
            wanted.extend(partnership.users.iter().flatten().map(UserName::to_string));
            wanted.extend(partnership.roles.iter().filter(|role| is_custom(role)).map(RoleName::to_string));
        }
        Record::Binding(binding) => {
            if binding.node.kind() == NodeKind::Organization || binding.node.is_container() {
                wanted.push(binding.node.to_string());
            }
            match &binding.principal {
                Principal::User(user) => wanted.push(user.to_string()),
                Principal::Organization(organization) => wanted.push(organization.to_string()),
                Principal::Group(_) | Principal::Anyone => {}
            }
            wanted.extend(is_custom(&binding.role).then(|| binding.role.to_string()));
            wanted.extend(binding.sponsor.iter().map(Sponsor::to_string));
        }
        Record::User(user) => wanted.extend(user.confined_to.iter().map(NodeName::to_string)),
        Record::CustomRole(_) | Record::ModelRevision(_) | Record::GroupEdge(_) => {}
    }
    match wanted.into_iter().find(|name| !keys.contains(name)) {
        None => Ok(()),
        Some(missing) => Err(WorldError::Missing { place: record.key(), missing }),
    }
}

fn is_custom(role: &RoleName) -> bool {
    role.as_str().starts_with("organizations/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn read(text: &str) -> World {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn short_names_are_read_in_place() {
        let world = read(
            "
users: [ann, {id: eve, suspended: true}]
organizations:
  - id: agency
    model: m
    workspaces: [{id: north}]
    members: [ann, {user: eve, suspended: true}]
    groups: [{id: all, members: [ann, groups/some]}, {id: some, members: [eve]}]
    bindings: [{principal: groups/all, role: boss, node: workspaces/north, expires_in_seconds: 60}]
  - id: shop
    parent: agency/workspaces/north
    roles: [{id: r, held_at: account}]
    accounts: [{id: a1, paused: true}]
    bindings:
      - {principal: ann, role: roles/r, node: accounts/a1, sponsor: agency/workspaces/north}
",
        );
        let records = world.records(NOW).unwrap();
        let bindings: Vec<&Binding> =
            records.iter().filter_map(|record| if let Record::Binding(binding) = record { Some(binding) } else { None }).collect();
        assert_eq!(bindings[0].name.as_str(), "organizations/agency/roleBindings/all-boss-north");
        assert_eq!(bindings[0].role.as_str(), "roleModels/m/roles/boss");
        assert_eq!(bindings[0].expires, Some(Timestamp(NOW.0 + 60_000_000)));
        assert_eq!(bindings[1].role.as_str(), "organizations/shop/roles/r");
        assert_eq!(bindings[1].sponsor.as_ref().unwrap().to_string(), "organizations/agency/workspaces/north");
        assert_eq!(world.model_of("shop"), Some("m"));
    }

    #[test]
    fn what_is_named_must_be_there_once() {
        let missing = read("{users: [ann], organizations: [{id: o, model: m, members: [bob]}]}");
        assert!(matches!(missing.records(NOW), Err(WorldError::Missing { .. })));
        let twice = read("{users: [ann, ann]}");
        assert_eq!(twice.records(NOW), Err(WorldError::Twice("users/ann".into())));
        let unpinned = read("{organizations: [{id: o}]}");
        assert_eq!(unpinned.records(NOW), Err(WorldError::Pin("o".into())));
        let odd = read("{organizations: [{id: o, model: m, resources: [{name: campaigns/1, attributes: {live: 1.5}}]}]}");
        assert!(matches!(odd.records(NOW), Err(WorldError::Attribute { .. })));
    }

    #[test]
    fn a_world_reads_back_as_it_was_written() {
        let world = read("{users: [ann], organizations: [{id: o, model: m, members: [ann], bindings: [{principal: ann, role: r}]}]}");
        let text = serde_saphyr::to_string(&world).unwrap();
        assert_eq!(read(&text), world);
    }

    #[test]
    fn misspelt_fields_are_refused() {
        assert!(serde_saphyr::from_str::<World>("{users: [{id: ann, suspendd: true}]}").is_err());
        assert!(serde_saphyr::from_str::<World>("{organisations: []}").is_err());
    }
}
