//! What an actor may do to Tenantry itself (DESIGN §6, invariants 1 to 3): whether, on what the verdict rests, and what the writer
//! must still see to in its transaction.
//!
//! Authorization comes before existence: whoever has no grant at all in an organization is told [`Refusal::NotAllowed`], whatever is
//! asked about it.

mod assignable;
mod basis;
mod present;
mod structure;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::{
    containment::{Covered, Proposal, ProposedRole, covered, earliest},
    decide::{Question, no_attributes, rules},
    decision::{Invalid, Outcome, Reason},
    document::{Level, MapRule, OnGrant, Seats},
    model::{ORGANIZATION, Permission, RoleIndex},
    name::{BindingName, GroupName, NodeName, Principal, RoleName, RoleOwner, Sponsor, UserName},
    path::Path,
    proposal::{check_binding, check_role, find_role, role_at},
    record::{Binding, CustomRole, GroupMember, Node, Partnership, Timestamp},
    standing::{HeldRole, Rules, Subject},
    view::View,
};

use self::basis::{rest_on_binding, sponsor_tree};

pub use self::assignable::{Assignable, Offer, assignable};
pub use crate::proposal::{BindingFault, RoleFault};

/// On whose behalf something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A user.
    User(UserName),
    /// Whoever runs Tenantry: every permission check passes.
    Platform,
}

/// By which of a role's permissions it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignPath {
    /// At once: `assign_with`.
    Assign,
    /// By invitation (inviting, resending, accepting): `invite_with`.
    Invite,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Requirement {
    /// Whatever needs a permission on a node.
    Permission {
        /// `workspaces.create`.
        permission: String,
        /// Where.
        node: NodeName,
    },
    /// Giving a role; the binding's name is ignored.
    Assign {
        /// What is proposed.
        binding: Binding,
        /// How.
        path: AssignPath,
    },
    /// Ending a binding.
    Revoke {
        /// Which.
        binding: BindingName,
    },
    /// Replacing a binding by another.
    Change {
        /// Which.
        binding: BindingName,
        /// What it is to be; its name is ignored.
        to: Binding,
    },
    /// Changing a partnership so that a binding which it sponsors reaches further.
    WidenPartnership {
        /// The binding.
        binding: BindingName,
        /// What the partnership is to be.
        to: Partnership,
    },
    /// Putting somebody into a group: authority over the roles that they get by it.
    JoinGroup {
        /// The group.
        group: GroupName,
        /// Who.
        member: GroupMember,
    },
    /// Taking somebody out of a group: authority over the roles that they lose by it.
    LeaveGroup {
        /// The group.
        group: GroupName,
        /// Who.
        member: GroupMember,
    },
    /// Creating a custom role, or replacing the one of that name.
    DefineRole {
        /// What it is to be.
        role: CustomRole,
    },
    /// Deleting a custom role.
    DeleteRole {
        /// Which.
        role: RoleName,
    },
    /// Giving a registered node another parent; judged in the world as it is.
    Move {
        /// What it is to be.
        to: Node,
    },
    /// Bringing a deleted node back; judged in the world as it is.
    Restore {
        /// What it is to be.
        to: Node,
    },
    /// What only the platform does.
    Platform,
    /// What a user does to themselves, or the platform to them.
    Myself {
        /// Whom.
        user: UserName,
    },
}

/// A permit: on what it rests, and what remains to be enforced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grounds {
    /// What must not have changed when the write commits: names of root organizations (the written node's tree; those of sponsors,
    /// memberships, groups and organizations that the deciding grants came by), and `users/{actor}`.
    pub trees: BTreeSet<String>,
    /// When it lapses.
    pub expires: Option<Timestamp>,
    /// What the transaction must see to.
    pub terms: Terms,
}

/// What the role model says that a transaction must enforce, and what the view knows of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// The type of the written node.
    pub node_type: String,
    /// Id and revision of the tree's role model.
    pub model: Option<(String, u32)>,
    /// The rules of membership.
    pub membership: MembershipTerms,
    /// The roles that must always have a holder at the organization of the written node.
    pub required_roles: Vec<RoleTerms>,
    /// The role that is given, or taken.
    pub role: Option<RoleTerms>,
    /// For a change, the role that the binding has now.
    pub present_role: Option<RoleTerms>,
    /// Whether the principal is a user who is an active member of the binding's organization now.
    pub principal_is_member: bool,
    /// How many bindings use the custom role now.
    pub role_bindings: usize,
}

/// The rules of membership, by role names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MembershipTerms {
    /// A member has at most one of these.
    pub organization_roles: Vec<RoleName>,
    /// What a new member gets.
    pub default: Option<RoleName>,
    /// What giving a role to somebody who is no member does.
    pub on_grant: OnGrant,
    /// Members can never be removed.
    pub permanent: bool,
    /// A holder may give up a binding of their own.
    pub leave: bool,
}

/// What counts about a role.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleTerms {
    /// The role.
    pub name: RoleName,
    /// The type of node that it is held at.
    pub held_at: String,
    /// How many may, and must, hold it at a node; a required role has `least` ≥ 1.
    pub seats: Seats,
    /// A user holds at most one of these at a node, itself included; empty: additive.
    pub exclusive: BTreeSet<RoleName>,
    /// Held by users directly only.
    pub users_only: bool,
    /// Whether its bindings carry a component map.
    pub component_map: MapRule,
}

/// Why not.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The actor lacks this permission there, or nothing there may be known to them. The permission is empty where only the platform may.
    NotAllowed {
        /// The permission.
        permission: String,
        /// Where.
        node: NodeName,
    },
    /// The actor has the permission, and a gate is closed.
    Closed {
        /// The permission.
        permission: String,
        /// Where.
        node: NodeName,
        /// Why.
        reason: Reason,
    },
    /// What is to be given is more than the actor has.
    NotContained {
        /// The permissions that are too much, sorted.
        what: Vec<String>,
    },
    /// The proposed binding makes no sense.
    InvalidBinding(BindingFault),
    /// The proposed custom role makes no sense.
    InvalidRole(RoleFault),
    /// Nobody edits a custom role that they hold.
    OwnRole,
    /// The custom role has bindings.
    RoleInUse {
        /// How many.
        count: usize,
    },
    /// It does not exist, and the actor may know that.
    NotFound {
        /// Its name.
        name: String,
    },
    /// Only the user themselves or the platform may.
    NotYourself,
    /// The question makes no sense in the tree's role model.
    Invalid(Invalid),
}

/// Whether the actor may, at this time, by this view.
///
/// # Errors
///
/// Why not.
pub fn permit(view: &View, actor: &Actor, requirement: &Requirement, now: Timestamp) -> Result<Grounds, Refusal> {
    let desk = Desk { view, actor, now };
    match requirement {
        Requirement::Permission { permission, node } => {
            let mut case = desk.open(node, permission)?;
            case.need(permission)?;
            Ok(case.grounds())
        }
        Requirement::Assign { binding, path } => {
            let mut case = desk.open(&binding.node, "")?;
            let role = case.may_assign(binding, *path)?;
            case.grounds.terms.role = role;
            case.grounds.terms.principal_is_member = desk.is_member(binding);
            Ok(case.grounds())
        }
        Requirement::Revoke { binding } => desk.revoke(binding).map_err(|refusal| desk.concealed(binding, refusal)),
        Requirement::Change { binding, to } => desk.change(binding, to).map_err(|refusal| desk.concealed(binding, refusal)),
        Requirement::WidenPartnership { binding, to } => desk.widen_partnership(binding, to),
        Requirement::JoinGroup { group, .. } => desk.change_group(group, true),
        Requirement::LeaveGroup { group, .. } => desk.change_group(group, false),
        Requirement::DefineRole { role } => desk.define_role(role),
        Requirement::DeleteRole { role } => desk.delete_role(role),
        Requirement::Move { to } => desk.move_node(to),
        Requirement::Restore { to } => desk.restore_node(to),
        Requirement::Platform => match actor {
            Actor::Platform => Ok(Grounds::default()),
            Actor::User(_) => Err(Refusal::NotYourself),
        },
        Requirement::Myself { user } => desk.myself(user),
    }
}

struct Desk<'v, 'a> {
    view: &'v View,
    actor: &'a Actor,
    now: Timestamp,
}

/// Everything about one node, asked by one actor.
struct Case<'v> {
    question: Question<'v>,
    /// `None` for the platform.
    subject: Option<Subject<'v>>,
    grounds: Grounds,
}

impl<'v> Desk<'v, '_> {
    /// Opens the case of a node; to a stranger, everything there is `NotAllowed`.
    fn open(&self, node: &NodeName, permission: &str) -> Result<Case<'v>, Refusal> {
        let not_allowed = || Refusal::NotAllowed { permission: permission.to_owned(), node: node.clone() };
        let path = Path::of(self.view, node);
        let subject = match self.actor {
            Actor::Platform => None,
            Actor::User(name) => {
                let slot = self.view.user_id(name).and_then(|id| self.view.user_slot(id)).ok_or_else(not_allowed)?;
                if slot.record.as_ref().is_none_or(|user| user.suspended) {
                    return Err(not_allowed());
                }
                let subject = Subject::of(self.view, slot);
                let known = rules(self.view, &path, self.now).is_some_and(|rules| !is_stranger(&rules, &subject, &path));
                if !known {
                    return Err(not_allowed());
                }
                Some(subject)
            }
        };
        let question = match Question::open(self.view, node, no_attributes(), self.now) {
            Ok(Some(question)) => question,
            Ok(None) => return Err(Refusal::NotFound { name: node.to_string() }),
            Err(invalid) => return Err(Refusal::Invalid(invalid)),
        };
        let mut case = Case { question, subject, grounds: Grounds::default() };
        case.grounds.trees.extend(case.question.path.root(self.view).map(|root| root.name.to_string()));
        if let Actor::User(name) = self.actor {
            case.grounds.trees.insert(name.to_string());
        }
        case.state_terms();
        Ok(case)
    }

    fn define_role(&self, role: &CustomRole) -> Result<Grounds, Refusal> {
        let mut case = self.open_role(&role.name, |existing| if existing { "roles.update" } else { "roles.create" })?;
        let model = &case.question.rules.installed.model;
        let kind = case.question.kind();
        check_role(model, kind, role).map_err(Refusal::InvalidRole)?;
        case.contain(ProposedRole::Custom(role), None, None, &|_| true)?;
        case.grounds.terms.role_bindings = self.view.bindings_of_role(&role.name);
        Ok(case.grounds())
    }

    fn delete_role(&self, role: &RoleName) -> Result<Grounds, Refusal> {
        let case = self.open_role(role, |_| "roles.delete")?;
        if self.view.custom_role(role).is_none() {
            return Err(Refusal::NotFound { name: role.to_string() });
        }
        match self.view.bindings_of_role(role) {
            0 => Ok(case.grounds()),
            count => Err(Refusal::RoleInUse { count }),
        }
    }

    /// Opens the case of a custom role: what everybody needs who touches it.
    fn open_role(&self, name: &RoleName, permission: impl Fn(bool) -> &'static str) -> Result<Case<'v>, Refusal> {
        let RoleOwner::Organization(organization) = name.owner() else {
            return Err(Refusal::InvalidRole(RoleFault::NoCustomRoles));
        };
        let permission = permission(self.view.custom_role(name).is_some());
        let mut case = self.open(&organization, permission)?;
        case.need(permission)?;
        let custom = case.question.rules.installed.model.document().custom_roles.as_ref();
        let define_with = custom.map(|custom| custom.define_with.clone()).ok_or(Refusal::InvalidRole(RoleFault::NoCustomRoles))?;
        if !define_with.is_empty() {
            case.need(&define_with)?;
        }
        if case.holds(name, self.now) { Err(Refusal::OwnRole) } else { Ok(case) }
    }

    fn myself(&self, user: &UserName) -> Result<Grounds, Refusal> {
        let known = self.view.user(user);
        match self.actor {
            Actor::Platform => Ok(Grounds::default()),
            Actor::User(name) if name == user && known.is_some_and(|user| !user.suspended) => {
                Ok(Grounds { trees: BTreeSet::from([user.to_string()]), ..Default::default() })
            }
            Actor::User(_) => Err(Refusal::NotYourself),
        }
    }
}

/// Whether nothing in the node's organization, nor above it on the path, is granted to the subject.
fn is_stranger<'v>(rules: &Rules<'v>, subject: &Subject<'v>, path: &Path) -> bool {
    let view = rules.view;
    let on_path =
        (0..path.len()).any(|at| subject.bindings_at(path, at).any(|(bound, _)| rules.standing(subject, path, at, bound).is_ok()));
    let Some(organization) = path.steps().get(path.own_organization()).and_then(|step| step.id) else { return true };
    let inside = || {
        subject.sources.iter().any(|(bindings, _)| {
            bindings.range((organization, u32::MIN)..=(organization, u32::MAX)).any(|((_, node), list)| {
                view.node_slot(*node).is_some_and(|slot| {
                    let path = Path::of(view, &slot.name);
                    list.iter().any(|bound| rules.standing(subject, &path, 0, bound).is_ok())
                })
            })
        })
    };
    !on_path && !inside()
}

impl<'v> Case<'v> {
    fn view(&self) -> &'v View {
        self.question.rules.view
    }

    fn grounds(self) -> Grounds {
        self.grounds
    }

    fn node(&self) -> NodeName {
        self.question.path.name.clone()
    }

    fn rest_on(&mut self, other: Grounds) {
        self.grounds.trees.extend(other.trees);
        self.grounds.expires = earliest(self.grounds.expires, other.expires);
    }

    fn not_allowed(&self, permission: &str) -> Refusal {
        Refusal::NotAllowed { permission: permission.to_owned(), node: self.node() }
    }

    /// The actor needs a permission on the node, gates included.
    fn need(&mut self, permission: &str) -> Result<(), Refusal> {
        let model = &self.question.rules.installed.model;
        let Some(index) = model.permission(permission) else {
            return Err(Refusal::Invalid(Invalid::UnknownPermission { permission: permission.to_owned(), model: model.id().to_owned() }));
        };
        let Some(subject) = &self.subject else { return Ok(()) };
        match self.question.decide(&subject.slot.name, index).outcome {
            Outcome::Allow(grant) => {
                if let Some(bound) = self.view().bound(&grant.binding) {
                    let via = subject.via(bound);
                    rest_on_binding(&self.question.rules, subject, &self.question.path, bound, via, &mut self.grounds);
                }
                Ok(())
            }
            Outcome::Deny(Reason::NoGrant) | Outcome::Conditional(_) => Err(self.not_allowed(permission)),
            Outcome::Deny(reason) => match self.question.grants(subject, &self.question.wanted(index)).outcome {
                Outcome::Allow(_) => Err(Refusal::Closed { permission: permission.to_owned(), node: self.node(), reason }),
                Outcome::Conditional(_) | Outcome::Deny(_) => Err(self.not_allowed(permission)),
            },
        }
    }

    /// The permission that giving a role needs; `None` where only the platform may.
    fn assigning(&self, role: HeldRole<'_>, path: AssignPath) -> Option<String> {
        let document = self.question.rules.installed.model.document();
        let (assign, invite) = match role {
            HeldRole::System(index, _) => {
                let role = document.roles.get(usize::from(index))?;
                (&role.assign_with, &role.invite_with)
            }
            HeldRole::Custom(_) => {
                let custom = document.custom_roles.as_ref()?;
                (&custom.assign_with, &custom.invite_with)
            }
        };
        let permission = if path == AssignPath::Invite && !invite.is_empty() { invite } else { assign };
        (!permission.is_empty()).then(|| permission.clone())
    }

    fn need_for_role(&mut self, role: HeldRole<'_>, path: AssignPath) -> Result<(), Refusal> {
        match (self.assigning(role, path), &self.subject) {
            (_, None) => Ok(()),
            (None, Some(_)) => Err(self.not_allowed("")),
            (Some(permission), Some(_)) => self.need(&permission),
        }
    }

    /// Invariant 1: the one rule for every path by which somebody is given something.
    fn may_assign(&mut self, binding: &Binding, path: AssignPath) -> Result<Option<RoleTerms>, Refusal> {
        let rules = self.question.rules;
        let role = role_at(&rules, &self.question.path, binding).map_err(Refusal::InvalidBinding)?;
        self.need_for_role(role, path)?;
        check_binding(&rules, &self.question.path, binding).map_err(Refusal::InvalidBinding)?;
        self.contain_binding(role, binding, None)?;
        // That the principal is of the sponsor's organization was judged by that organization's tree.
        self.grounds.trees.extend(binding.sponsor.as_ref().and_then(|sponsor| sponsor_tree(rules.view, sponsor)));
        Ok(self.role_terms(&binding.role))
    }

    /// The same for what exists already and reaches further: one more user, or as far as the partnership will allow.
    fn may_pass_on(&mut self, binding: &Binding, partnership: Option<&Partnership>) -> Result<(), Refusal> {
        let rules = self.question.rules;
        // What is no role gives nothing to anybody.
        let Some(role) = find_role(&rules, &self.question.path, &binding.role) else { return Ok(()) };
        self.need_for_role(role, AssignPath::Assign)?;
        self.contain_binding(role, binding, partnership)
    }

    /// What a binding gives, cut by its partnership: the one to be, or else the one that is.
    fn contain_binding(&mut self, role: HeldRole<'v>, binding: &Binding, partnership: Option<&Partnership>) -> Result<(), Refusal> {
        let rules = self.question.rules;
        let (contained, proposed) = match role {
            HeldRole::System(index, _) => {
                let contained = rules.installed.model.document().roles.get(usize::from(index)).is_some_and(|role| role.contained);
                (contained, ProposedRole::System(index))
            }
            HeldRole::Custom(custom) => (true, ProposedRole::Custom(custom)),
        };
        if !contained && binding.components.is_none() {
            return Ok(());
        }
        let partnership = match &binding.sponsor {
            Some(Sponsor::Partnership(name)) => partnership.or_else(|| self.view().partnership(name)),
            Some(Sponsor::Workspace(_)) | None => None,
        };
        let expires = earliest(binding.expires, partnership.and_then(|partnership| partnership.expires));
        let model = &rules.installed.model;
        let leaves = |permission: &Permission| {
            let Some(component) = model.components().get(usize::from(permission.component)) else { return false };
            let maps = [binding.components.as_ref(), partnership.and_then(|partnership| partnership.components.as_ref())];
            let cut = |map: &std::collections::BTreeMap<String, Level>| {
                map.get(&component.id).copied().unwrap_or(Level::None) >= permission.level
            };
            component.reserved || maps.into_iter().flatten().all(cut)
        };
        self.contain(proposed, binding.condition.as_ref(), expires, &leaves)
    }

    fn contain(
        &mut self,
        role: ProposedRole<'_>,
        condition: Option<&crate::document::ConditionUse>,
        expires: Option<Timestamp>,
        leaves: &dyn Fn(&Permission) -> bool,
    ) -> Result<(), Refusal> {
        let Some(subject) = &self.subject else { return Ok(()) };
        let proposal = Proposal { role, condition, expires, leaves };
        let covered: Covered<'v> = covered(&self.question.rules, subject, &self.question.path, &proposal);
        for (bound, via) in covered.map_err(|what| Refusal::NotContained { what })? {
            rest_on_binding(&self.question.rules, subject, &self.question.path, bound, via, &mut self.grounds);
        }
        Ok(())
    }

    /// Invariant 3: authority over the role that a binding has now.
    fn may_revoke(&mut self, binding: &Binding) -> Result<(), Refusal> {
        let rules = self.question.rules;
        match find_role(&rules, &self.question.path, &binding.role) {
            Some(role) => self.need_for_role(role, AssignPath::Assign),
            // A custom role that is gone is as any custom one; a system role of another revision is for the platform.
            None => {
                let custom = rules.installed.model.document().custom_roles.as_ref();
                let permission = match binding.role.owner() {
                    RoleOwner::Organization(_) => custom.map(|custom| custom.assign_with.clone()).unwrap_or_default(),
                    RoleOwner::Model(_) => String::new(),
                };
                match (&self.subject, permission.is_empty()) {
                    (None, _) => Ok(()),
                    (Some(_), true) => Err(self.not_allowed("")),
                    (Some(_), false) => self.need(&permission),
                }
            }
        }
    }

    fn is_leaving(&self, binding: &Binding) -> bool {
        let leave = self.question.rules.installed.model.document().membership.leave;
        leave && matches!((&binding.principal, &self.subject), (Principal::User(user), Some(subject)) if *user == subject.slot.name)
    }

    /// Whether the actor holds a role by any way, anywhere in its organization.
    fn holds(&self, role: &RoleName, now: Timestamp) -> bool {
        let (Some(subject), Some(id)) = (&self.subject, self.view().role_id(role)) else { return false };
        let bindings = subject.sources.iter().flat_map(|(bindings, _)| bindings.values()).flat_map(|list| list.iter());
        bindings.into_iter().any(|bound| bound.role == id && bound.expires.is_none_or(|expires| expires > now))
    }

    fn role_terms(&self, name: &RoleName) -> Option<RoleTerms> {
        let model = &self.question.rules.installed.model;
        match find_role(&self.question.rules, &self.question.path, name)? {
            HeldRole::System(index, _) => self.system_role_terms(index),
            HeldRole::Custom(custom) => Some(RoleTerms {
                name: name.clone(),
                held_at: custom.held_at.clone(),
                seats: Seats::default(),
                exclusive: BTreeSet::new(),
                users_only: false,
                component_map: model.custom_component_map(),
            }),
        }
    }

    fn system_role_terms(&self, index: RoleIndex) -> Option<RoleTerms> {
        let document = self.question.rules.installed.model.document();
        let role = document.roles.get(usize::from(index))?;
        let set = document.roles.iter().filter(|other| !role.exclusive.is_empty() && other.exclusive == role.exclusive);
        Some(RoleTerms {
            name: RoleName::system(&document.model, &role.id)?,
            held_at: role.held_at.clone(),
            seats: role.seats,
            exclusive: set.filter_map(|other| RoleName::system(&document.model, &other.id)).collect(),
            users_only: crate::model::users_only(document, role),
            component_map: role.component_map,
        })
    }

    fn state_terms(&mut self) {
        let rules = self.question.rules;
        let document = rules.installed.model.document();
        let named = |id: &String| RoleName::system(&document.model, id);
        let path = &self.question.path;
        let required = (0..).zip(rules.installed.model.roles()).filter(|(index, role)| {
            let least = document.roles.get(usize::from(*index)).map_or(0, |role| role.seats.least);
            least > 0 && role.held_at == ORGANIZATION && rules.fits(path, path.own_organization(), role)
        });
        let required_roles = required.filter_map(|(index, _)| self.system_role_terms(index)).collect();
        let node_type = rules.installed.model.node_type(self.question.node_type).map(|node_type| node_type.id.clone()).unwrap_or_default();
        self.grounds.terms = Terms {
            node_type,
            model: Some((document.model.clone(), rules.installed.revision)),
            membership: MembershipTerms {
                organization_roles: document.membership.organization_roles.iter().filter_map(named).collect(),
                default: named(&document.membership.default),
                on_grant: document.membership.on_grant,
                permanent: document.membership.permanent,
                leave: document.membership.leave,
            },
            required_roles,
            ..Default::default()
        };
    }
}
