//! Who may change what, once more and naively, straight from DESIGN §6: every record that differs after a call must be one that its actor could change by what
//! the rows said before it, and what anybody has gained by it must be what the actor could give.

use std::collections::{BTreeMap, BTreeSet};

use decision::{
    name::{GroupName, NodeKind, NodeName, Principal, RoleName, RoleOwner, Sponsor, UserName},
    record::{Binding, GroupEdge, GroupMember, Member, Node, NodeState, Partnership, Record},
};

use crate::world::{Access, Moment, Place, Rank};

/// A record that is not what it was.
pub struct Difference<'d> {
    pub key: &'d str,
    pub before: Option<&'d Record>,
    pub after: Option<&'d Record>,
}

/// What differs.
pub fn differences<'d>(before: &'d BTreeMap<String, Record>, after: &'d BTreeMap<String, Record>) -> Vec<Difference<'d>> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let difference = |key: &'d String| Difference { key, before: before.get(key), after: after.get(key) };
    keys.into_iter().map(difference).filter(|one| one.before != one.after).collect()
}

/// How far what a change gives may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Whatever the changed thing gives: the permission to change it was enough.
    Unbounded,
    /// What the actor has.
    Contained,
}

/// On whose authority something is done.
pub enum Authority {
    /// The actor's.
    Own(String),
    /// The inviter's, when the invitee accepts.
    Inviting(String),
}

impl Authority {
    pub fn actor(&self) -> &str {
        match self {
            Self::Own(actor) | Self::Inviting(actor) => actor,
        }
    }
}

/// One call, judged.
pub struct Judge<'j, 'm> {
    /// Whoever answers for it.
    pub actor: &'j UserName,
    /// Whether roles are given by an invitation.
    pub inviting: bool,
    pub before: &'j Moment<'m>,
    /// Before, with what the call has created as empty shells: where something is given to what is made by the same call.
    pub base: &'j Moment<'m>,
    pub after: &'j Moment<'m>,
    pub differences: &'j [Difference<'j>],
}

type Verdict = Result<Bound, String>;

fn need(held: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if held { Ok(()) } else { Err(what()) }
}

impl Judge<'_, '_> {
    /// Whether the actor could make every difference; how far each goes.
    pub fn changes(&self) -> Result<BTreeMap<String, Bound>, String> {
        let judged = self.differences.iter().map(|one| match self.change(one) {
            Ok(bound) => Ok((one.key.to_owned(), bound)),
            Err(why) => {
                Err(format!("{} could not change {}: {why}\n  before {:?}\n  after {:?}", self.actor, one.key, one.before, one.after))
            }
        });
        judged.collect()
    }

    fn change(&self, one: &Difference<'_>) -> Verdict {
        match (one.before, one.after) {
            (None, Some(Record::Binding(binding))) => {
                if self.is_default_of_a_new_member(binding) {
                    Ok(Bound::Unbounded)
                } else {
                    self.may_give(binding)
                }
            }
            (Some(Record::Binding(old)), Some(Record::Binding(new))) => {
                self.may_take(old)?;
                self.may_give(new)
            }
            (Some(Record::Binding(old)), None) => self.may_end(old),
            (old, Some(Record::Member(member))) => self.member(old, member),
            (Some(Record::Member(member)), None) => {
                let home = member.name.organization();
                self.permitted("members.delete", &home)?;
                self.over_groups_of(member)
            }
            (None, Some(Record::GroupEdge(edge))) => {
                self.permitted("groups.update", &edge.group.organization())?;
                self.may_pass_on(&edge.group)
            }
            (Some(Record::GroupEdge(edge)), None) => self.leaves(edge),
            (old, Some(Record::Partnership(partnership))) => self.partnership(old, partnership),
            (Some(Record::Partnership(partnership)), None) => {
                let either = self.before.may(self.actor, "partners.delete", &partnership.node)
                    || self.before.may(self.actor, "partners.delete", &partnership.partner);
                need(either, || "it has partners.delete on neither side".into())?;
                Ok(Bound::Unbounded)
            }
            (old, Some(Record::CustomRole(role))) => self.define(&role.name, if old.is_some() { "roles.update" } else { "roles.create" }),
            (Some(Record::CustomRole(role)), None) => {
                let used = self.before.bindings().iter().find(|binding| binding.role == role.name);
                need(used.is_none(), || format!("it is in use by {used:?}"))?;
                self.define(&role.name, "roles.delete")
            }
            (None, Some(Record::Node(node))) => self.create(node),
            (Some(Record::Node(old)), Some(Record::Node(new))) => self.alter(old, new),
            // Users and role models.
            _ => Err("it is the platform's".into()),
        }
    }

    fn permitted(&self, permission: &str, node: &NodeName) -> Verdict {
        need(self.base.may(self.actor, permission, node), || format!("it lacks {permission} on {node}"))?;
        Ok(Bound::Unbounded)
    }

    // Invariant 1.

    /// The role's assigning permission at the node; and of a role that is contained, custom or narrowed by a map, that it goes no further than the actor.
    fn may_give(&self, binding: &Binding) -> Verdict {
        let (assign_with, contained) = self.assigning(&binding.role, &binding.node).ok_or("there is no such role there")?;
        need(!assign_with.is_empty(), || "only the platform gives this role".into())?;
        self.permitted(&assign_with, &binding.node)?;
        Ok(if contained || binding.components.is_some() { Bound::Contained } else { Bound::Unbounded })
    }

    fn assigning(&self, role: &RoleName, node: &NodeName) -> Option<(String, bool)> {
        match role.owner() {
            RoleOwner::Model(_) => {
                let role = self.base.system_role(role, node)?;
                Some((self.needed(&role.assign_with, &role.invite_with), role.contained))
            }
            RoleOwner::Organization(owner) => {
                let custom = self.base.document(node)?.custom_roles.as_ref()?;
                (owner == node.organization()).then(|| (self.needed(&custom.assign_with, &custom.invite_with), true))
            }
        }
    }

    fn needed(&self, to_assign: &str, to_invite: &str) -> String {
        if self.inviting && !to_invite.is_empty() { to_invite } else { to_assign }.to_owned()
    }

    fn is_default_of_a_new_member(&self, binding: &Binding) -> bool {
        let Principal::User(user) = &binding.principal else { return false };
        let home = binding.node.clone();
        let key = format!("{home}/members/{}", user.id());
        let joined = self.differences.iter().any(|one| one.key == key && one.before.is_none());
        let Some(document) = self.after.document(&home) else { return false };
        let default = RoleName::system(&document.model, &document.membership.default);
        home.kind() == NodeKind::Organization && joined && binding.components.is_none() && default.as_ref() == Some(&binding.role)
    }

    /// Everything of a group and of the groups that it is in, but what partners give to it.
    fn of_group(&self, group: &GroupName) -> Vec<&Binding> {
        let mut groups = self.before.groups_of(group.as_str());
        groups.insert(group.to_string());
        let home = group.organization();
        let own = |binding: &&Binding| {
            let from_partner = binding.node.organization() != home && matches!(binding.sponsor, Some(Sponsor::Partnership(_)));
            matches!(&binding.principal, Principal::Group(name) if groups.contains(name.as_str())) && !from_partner
        };
        self.before.bindings().iter().copied().filter(own).collect()
    }

    fn may_pass_on(&self, group: &GroupName) -> Verdict {
        let mut bound = Bound::Unbounded;
        for binding in self.of_group(group) {
            if self.may_give(binding)? == Bound::Contained {
                bound = Bound::Contained;
            }
        }
        Ok(bound)
    }

    // Invariant 3.

    fn may_take(&self, binding: &Binding) -> Verdict {
        let assign_with = match self.assigning(&binding.role, &binding.node) {
            Some((assign_with, _)) => assign_with,
            None => return Err("a role of nobody's is the platform's to take".into()),
        };
        need(!assign_with.is_empty(), || "only the platform takes this role".into())?;
        self.permitted(&assign_with, &binding.node)
    }

    /// A binding ends by authority over it, by its holder's leaving, or with what it rests on.
    fn may_end(&self, binding: &Binding) -> Verdict {
        let leave = self.before.document(&binding.node).is_some_and(|document| document.membership.leave);
        let own = binding.principal == Principal::User(self.actor.clone());
        let with_sponsor = Moment::sponsor(binding).is_some_and(|sponsor| self.is_gone(&sponsor));
        let with_leaf = !binding.node.is_container() && self.is_deleted(&binding.node);
        // The workspaces that were above it sponsor nothing any more.
        let with_move = matches!(&binding.sponsor, Some(Sponsor::Workspace(workspace)) if !self.after.is_below(&binding.node, workspace));
        if (leave && own) || with_sponsor || with_leaf || with_move { Ok(Bound::Unbounded) } else { self.may_take(binding) }
    }

    fn is_gone(&self, key: &str) -> bool {
        self.differences.iter().any(|one| one.key == key && one.after.is_none())
    }

    fn is_deleted(&self, node: &NodeName) -> bool {
        self.after.node(node).is_none_or(|node| node.state == NodeState::Deleted)
    }

    // People.

    fn member(&self, old: Option<&Record>, member: &Member) -> Verdict {
        let home = member.name.organization();
        let user = UserName::parse(&format!("users/{}", member.name.id())).map_err(|error| error.to_string())?;
        let Some(Record::Member(old)) = old else {
            // Taken in, by themselves or by a role that makes a member.
            let by_role = self.differences.iter().any(|one| match (one.before, one.after) {
                (None, Some(Record::Binding(binding))) => {
                    binding.principal == Principal::User(user.clone())
                        && binding.node.organization() == home
                        && !self.is_default_of_a_new_member(binding)
                }
                _ => false,
            });
            return if by_role { Ok(Bound::Unbounded) } else { self.permitted("members.create", &home) };
        };
        self.permitted("members.update", &home)?;
        for binding in self.before.bindings() {
            let leaving = binding.principal == Principal::User(self.actor.clone())
                && self.before.document(&home).is_some_and(|document| document.membership.leave);
            if binding.principal == Principal::User(user.clone()) && binding.node.organization() == home && !leaving {
                self.may_take(binding)?;
            }
        }
        if member.suspended && !old.suspended { self.over_groups_of(member) } else { self.given_back_by_groups(member) }
    }

    fn edges_of(&self, member: &Member) -> Vec<&GroupEdge> {
        let home = member.name.organization();
        let of = |edge: &&GroupEdge| matches!(&edge.member, GroupMember::User(user) if user.id() == member.name.id() && edge.group.organization() == home);
        let edges = self.before.all(|record| if let Record::GroupEdge(edge) = record { Some(edge) } else { None });
        edges.into_iter().filter(of).collect()
    }

    fn given_back_by_groups(&self, member: &Member) -> Verdict {
        let mut bound = Bound::Unbounded;
        for edge in self.edges_of(member) {
            if self.may_pass_on(&edge.group)? == Bound::Contained {
                bound = Bound::Contained;
            }
        }
        // What they hold directly comes back by authority over it, whatever it is.
        let holds = self
            .before
            .bindings()
            .iter()
            .any(|binding| matches!(&binding.principal, Principal::User(user) if user.id() == member.name.id()));
        Ok(if holds { Bound::Unbounded } else { bound })
    }

    fn over_groups_of(&self, member: &Member) -> Verdict {
        if member.name.id() != self.actor.id() {
            for edge in self.edges_of(member) {
                self.of_group(&edge.group).into_iter().try_for_each(|binding| self.may_take(binding).map(drop))?;
            }
        }
        Ok(Bound::Unbounded)
    }

    fn leaves(&self, edge: &GroupEdge) -> Verdict {
        let home = edge.group.organization();
        let is_gone = |group: &GroupName| {
            let still = |record: &Record| matches!(record, Record::GroupEdge(other) if other.group == *group);
            !self.after.records.values().any(still)
        };
        match &edge.member {
            GroupMember::User(user) => {
                let removed = self.is_gone(&format!("{home}/members/{}", user.id()));
                let may = |permission: &str| self.before.may(self.actor, permission, &home);
                if removed && user == self.actor {
                    return Ok(Bound::Unbounded);
                }
                let by = removed || may("groups.update") || (is_gone(&edge.group) && may("groups.delete")) || user == self.actor;
                need(by, || "it may not change the group".into())?;
                if user == self.actor {
                    return Ok(Bound::Unbounded);
                }
            }
            GroupMember::Group(_) => {
                let by = ["groups.update", "groups.delete"].iter().any(|permission| self.before.may(self.actor, permission, &home));
                need(by, || "it may not change the group".into())?;
            }
        }
        self.of_group(&edge.group).into_iter().try_for_each(|binding| self.may_take(binding).map(drop))?;
        Ok(Bound::Unbounded)
    }

    // Partners.

    fn partnership(&self, old: Option<&Record>, partnership: &Partnership) -> Verdict {
        match old {
            Some(Record::Partnership(old)) if !old.accepted && partnership.accepted => {
                self.permitted("partners.update", &partnership.partner)
            }
            // What it sponsors may reach further by this: as if that were given.
            Some(_) => {
                self.permitted("partners.update", &partnership.node)?;
                Ok(Bound::Contained)
            }
            None => {
                need(!partnership.accepted, || "it is accepted by itself".into())?;
                self.permitted("partners.create", &partnership.node)
            }
        }
    }

    // Invariant 2.

    fn define(&self, role: &RoleName, permission: &str) -> Verdict {
        let RoleOwner::Organization(home) = role.owner() else { return Err("system roles are nobody's to define".into()) };
        self.permitted(permission, &home)?;
        let custom = self.before.document(&home).and_then(|document| document.custom_roles.as_ref()).ok_or("there are no custom roles")?;
        if !custom.define_with.is_empty() {
            self.permitted(&custom.define_with, &home)?;
        }
        let own = self.before.bindings().iter().find(|binding| binding.role == *role && self.before.reaches(binding, self.actor));
        need(own.is_none(), || format!("it holds the role by {own:?}"))?;
        Ok(Bound::Contained)
    }

    // Structure.

    fn create(&self, node: &Node) -> Verdict {
        need(node.ceiling.is_none(), || "it begins with a ceiling".into())?;
        match node.name.kind() {
            NodeKind::Organization => match &node.parent {
                Some(workspace) => self.permitted("organization.attach_customer", workspace),
                None => Err("roots are the platform's".into()),
            },
            NodeKind::Workspace => self.permitted("workspaces.create", &node.name.organization()),
            NodeKind::Account => self.permitted("accounts.create", &node.parent.clone().unwrap_or_else(|| node.name.organization())),
            NodeKind::Leaf { .. } => self.permitted("resources.create", &node.name.leaf_parent().ok_or("a leaf has a parent")?),
        }
    }

    fn alter(&self, old: &Node, new: &Node) -> Verdict {
        let above = |permission: &str| match self
            .before
            .parent(&new.name)
            .or_else(|| (new.name.kind() == NodeKind::Workspace).then(|| new.name.organization()))
        {
            Some(parent) => self.permitted(permission, &parent),
            None => Err("what is decided above a root is the platform's".into()),
        };
        let collection = match new.name.kind() {
            NodeKind::Organization => "organization",
            NodeKind::Workspace => "workspaces",
            NodeKind::Account => "accounts",
            NodeKind::Leaf { .. } => "resources",
        };
        match (old.state, new.state) {
            (one, other) if one == other => {}
            (_, NodeState::Deleted) => drop(self.permitted(&format!("{collection}.delete"), &new.name)?),
            // Whoever could make it, above, and give all that comes back with it.
            (NodeState::Deleted, _) => {
                let create =
                    if collection == "organization" { "organization.attach_customer".into() } else { format!("{collection}.create") };
                above(&create)?;
                self.brought_back(&new.name)?;
            }
            (_, _) => drop(above("organization.suspend")?),
        }
        if old.paused != new.paused {
            self.permitted("accounts.pause", &new.name)?;
        }
        if old.ceiling != new.ceiling {
            above("ceilings.set")?;
        }
        if old.attributes != new.attributes {
            self.permitted("resources.update", &new.name)?;
        }
        if old.kind != new.kind {
            above("organization.attach_customer")?;
        }
        need(old.model == new.model, || "the role model is pinned by the platform".into())?;
        if old.parent != new.parent { self.moved(old, new) } else { Ok(Bound::Unbounded) }
    }

    /// Rights on both sides; what people hold above the new place reaches the node by it, so that the mover answers for it.
    fn moved(&self, old: &Node, new: &Node) -> Verdict {
        let (from, to) = (old.parent.as_ref().ok_or("a root is moved")?, new.parent.as_ref().ok_or("it becomes a root")?);
        match new.name.kind() {
            NodeKind::Organization => {
                self.permitted("organization.attach_customer", from)?;
                self.permitted("organization.attach_customer", to)?;
            }
            _ => {
                self.permitted("accounts.update", &new.name)?;
                self.permitted("accounts.delete", &new.name)?;
                self.permitted("accounts.create", to)?;
            }
        }
        let reaches = |moment: &Moment<'_>, binding: &Binding| moment.is_below(&new.name, &binding.node);
        for binding in self.before.bindings() {
            match (reaches(self.before, binding), reaches(self.after, binding)) {
                (false, true) => drop(self.may_give(binding)?),
                (true, false) => drop(self.may_take(binding)?),
                _ => {}
            }
        }
        Ok(Bound::Unbounded)
    }

    /// What is held at a node and below it in its organization, with which it comes back; by what the actor has then.
    fn brought_back(&self, node: &NodeName) -> Verdict {
        let then = Judge { base: self.after, ..*self };
        for binding in self.after.bindings() {
            if binding.node.organization() == node.organization() && self.after.is_below(&binding.node, node) {
                then.may_give(binding)?;
            }
        }
        Ok(Bound::Unbounded)
    }

    // What is gained.

    /// Whether somebody may have this now who had not: by a changed binding no further than that goes, else by something else that changed.
    pub fn gain(
        &self,
        bounds: &BTreeMap<String, Bound>,
        (user, node): &Place,
        permission: &str,
        gained: &(Rank, Option<String>),
        actors: impl FnOnce() -> Rank,
    ) -> Result<(), String> {
        let (rank, by) = gained;
        let is_moved = |one: &&Difference<'_>| matches!((one.before, one.after), (Some(Record::Node(old)), Some(Record::Node(new))) if old.parent != new.parent);
        if user == self.actor && self.differences.iter().any(|one| is_moved(&one)) {
            return Err(format!("{user} has gained {permission} on {node} by moving something"));
        }
        let contained = match by.as_ref().and_then(|binding| bounds.get(binding)) {
            Some(bound) => *bound == Bound::Contained,
            // A binding that requires what is given wakes, with what it was given with; so does a permission that needs somebody to hold the role. Containment
            // compares what the given role itself grants (DESIGN §6, 1).
            None => {
                let wakes = |key: &str| matches!(self.after.records.get(key), Some(Record::Binding(_)));
                !bounds.iter().any(|(key, bound)| (*bound == Bound::Unbounded || wakes(key)) && self.concerns(key, user, node))
            }
        };
        if !contained || actors() >= *rank {
            return Ok(());
        }
        Err(format!("{user} has gained {permission} on {node} by {by:?}, which {} could not give: {bounds:?}", self.actor))
    }

    /// Whether a changed thing can be why a user has more at a node.
    fn concerns(&self, key: &str, user: &UserName, node: &NodeName) -> bool {
        match self.after.records.get(key).or_else(|| self.before.records.get(key)) {
            // By another binding: what it requires of its holder, or what the permission needs somebody to hold.
            Some(Record::Binding(binding)) => {
                self.after.root(&binding.node) == self.after.root(node) && (self.after.opens(binding) || self.after.reaches(binding, user))
            }
            Some(Record::Member(member)) => member.name.id() == user.id() || self.after.hangs_on_others(node),
            Some(Record::GroupEdge(edge)) => {
                self.after.hangs_on_others(node) || self.after.groups_of(user.as_str()).contains(edge.group.as_str())
            }
            Some(Record::Partnership(partnership)) => self.after.is_below(node, &partnership.node),
            Some(Record::Node(changed)) => self.after.is_below(node, &changed.name) || changed.name.organization() == *node,
            Some(Record::CustomRole(_) | Record::User(_) | Record::ModelRevision(_)) | None => false,
        }
    }
}

/// What a user has of a permission.
pub fn rank_in(access: Option<&Access>, permission: &str) -> Rank {
    access.and_then(|access| access.get(permission)).map(|(rank, _)| *rank).unwrap_or_default()
}
