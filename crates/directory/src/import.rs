//! Import: rows that are to be there, in which order they are done together, and when what is there already is the same.

use decision::name::{BindingName, GroupName, MemberName, NodeName, Principal};

use crate::{
    account::{Account, AccountDraft},
    group::{Edge, Group, member_text},
    member::user_of,
    organization::{Organization, OrganizationDraft, Place},
    role_binding::{Assignment, RoleBinding},
    user::{User, UserDraft},
    workspace::Workspace,
};

/// What is to be there.
#[derive(Clone, Debug)]
pub(crate) enum Draft {
    Organization(OrganizationDraft),
    Workspace {
        name: NodeName,
        display_name: String,
    },
    Account(AccountDraft),
    User(UserDraft),
    Group {
        name: GroupName,
        display_name: String,
    },
    Member(MemberName),
    Binding {
        name: BindingName,
        assigned: Assignment,
        /// The row says the name; else any binding of the same principal, role and node will do.
        named: bool,
    },
    GroupMember(Edge),
}

/// What kind of thing a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Organization,
    Workspace,
    Account,
    User,
    Group,
    Member,
    Binding,
    GroupMember,
}

impl Kind {
    /// Whether a row of this kind may need one of the other, so that it must not be done before it.
    fn may_need(self, other: Self) -> bool {
        let needed: &[Self] = match self {
            // One whom an organization manages.
            Self::User => &[Self::Organization],
            Self::Organization => &[Self::Workspace],
            Self::Workspace | Self::Group => &[Self::Organization],
            Self::Account => &[Self::Organization, Self::Workspace],
            Self::Member => &[Self::User, Self::Organization],
            Self::Binding => &[Self::User, Self::Organization, Self::Workspace, Self::Account, Self::Group, Self::Member],
            // Who gets a role may become a member by it.
            Self::GroupMember => &[Self::User, Self::Organization, Self::Group, Self::Member, Self::Binding],
        };
        needed.contains(&other)
    }
}

impl Draft {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Organization(_) => Kind::Organization,
            Self::Workspace { .. } => Kind::Workspace,
            Self::Account(_) => Kind::Account,
            Self::User(_) => Kind::User,
            Self::Group { .. } => Kind::Group,
            Self::Member(_) => Kind::Member,
            Self::Binding { .. } => Kind::Binding,
            Self::GroupMember(_) => Kind::GroupMember,
        }
    }

    /// Its name; of an edge its key.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Organization(draft) => draft.name.to_string(),
            Self::Workspace { name, .. } => name.to_string(),
            Self::Account(draft) => draft.name.to_string(),
            Self::User(draft) => draft.name.to_string(),
            Self::Group { name, .. } => name.to_string(),
            Self::Member(name) => name.to_string(),
            Self::Binding { name, .. } => name.to_string(),
            Self::GroupMember(edge) => edge.key(),
        }
    }

    /// The organization that it is in; a user is in none, or in the one that manages them. The terms of a permit are of one organization, so no commit has rows of two.
    pub(crate) fn organization(&self) -> Option<NodeName> {
        match self {
            Self::Organization(draft) => Some(draft.name.clone()),
            Self::Workspace { name, .. } => Some(name.organization()),
            Self::Account(draft) => Some(draft.name.organization()),
            Self::User(draft) => draft.managed_by.clone(),
            Self::Group { name, .. } => Some(name.organization()),
            Self::Member(name) => Some(name.organization()),
            Self::Binding { name, .. } => Some(name.organization()),
            Self::GroupMember(edge) => Some(edge.organization()),
        }
    }

    /// The names of what must be there before.
    pub(crate) fn needs(&self) -> Vec<String> {
        let mut needs: Vec<String> = self.organization().into_iter().map(|organization| organization.to_string()).collect();
        match self {
            Self::Organization(draft) => {
                needs.clear();
                if let Place::Customer { workspace } = &draft.place {
                    needs.push(workspace.to_string());
                }
            }
            Self::Account(draft) => needs.push(draft.parent().to_string()),
            Self::Member(name) => needs.extend(user_of(name).map(|user| user.to_string())),
            Self::Binding { assigned, .. } => {
                needs.push(assigned.node.to_string());
                match &assigned.principal {
                    Principal::User(user) => needs.push(user.to_string()),
                    Principal::Group(group) => needs.push(group.to_string()),
                    Principal::Organization(other) => needs.push(other.to_string()),
                    Principal::Anyone => {}
                }
            }
            Self::GroupMember(edge) => needs.extend([edge.group.to_string(), member_text(&edge.member).to_owned()]),
            Self::Workspace { .. } | Self::User(_) | Self::Group { .. } => {}
        }
        needs
    }
}

/// Rows that are done together, by their places in the batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) kind: Kind,
    pub(crate) organization: Option<NodeName>,
    pub(crate) rows: Vec<usize>,
}

/// Puts the rows of a batch together by kind and organization. A row joins an earlier run if it needs nothing of what is between.
pub(crate) fn runs<'d>(drafts: impl Iterator<Item = (usize, &'d Draft)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (at, draft) in drafts {
        let (kind, organization) = (draft.kind(), draft.organization());
        let free = runs.iter().rposition(|run| kind.may_need(run.kind)).map_or(0, |last| last + 1);
        let joined = runs.iter_mut().skip(free).find(|run| run.kind == kind && run.organization == organization);
        match joined {
            Some(run) => run.rows.push(at),
            None => runs.push(Run { kind, organization, rows: vec![at] }),
        }
    }
    runs
}

/// The first field in which what is there differs from a draft.
pub(crate) trait Same<T> {
    fn difference(&self, present: &T) -> Option<&'static str>;
}

fn first(differences: &[(&'static str, bool)]) -> Option<&'static str> {
    differences.iter().find(|(_, differs)| *differs).map(|(field, _)| *field)
}

impl Same<User> for UserDraft {
    fn difference(&self, present: &User) -> Option<&'static str> {
        first(&[
            ("user.state", present.deleted),
            ("user.kind", present.kind != self.kind),
            ("user.managed_by", present.managed_by != self.managed_by),
            ("user.email", present.email != self.email),
            ("user.display_name", present.display_name != self.display_name),
        ])
    }
}

impl Same<Organization> for OrganizationDraft {
    fn difference(&self, present: &Organization) -> Option<&'static str> {
        let elsewhere = match &self.place {
            Place::Root { model } => present.parent.is_some() || present.pinned.model != *model,
            Place::Customer { workspace } => present.parent.as_ref() != Some(workspace),
        };
        first(&[
            ("organization.state", present.deleted),
            ("organization.parent", elsewhere),
            ("organization.kind", present.kind != self.kind),
            ("organization.display_name", present.profile.display_name != self.profile.display_name),
            ("organization.website", present.profile.website != self.profile.website),
            ("organization.location", present.profile.location != self.profile.location),
        ])
    }
}

impl Same<Account> for AccountDraft {
    fn difference(&self, present: &Account) -> Option<&'static str> {
        first(&[
            ("account.state", present.deleted),
            ("account.workspace", present.workspace != self.workspace),
            ("account.display_name", present.display_name != self.display_name),
        ])
    }
}

impl Same<Workspace> for str {
    fn difference(&self, present: &Workspace) -> Option<&'static str> {
        first(&[("workspace.state", present.deleted), ("workspace.display_name", present.display_name != self)])
    }
}

impl Same<Group> for str {
    fn difference(&self, present: &Group) -> Option<&'static str> {
        first(&[("group.display_name", present.display_name != self)])
    }
}

impl Same<RoleBinding> for Assignment {
    fn difference(&self, present: &RoleBinding) -> Option<&'static str> {
        let there = &present.assigned;
        first(&[
            ("role_binding.principal", there.principal != self.principal),
            ("role_binding.role", there.role != self.role),
            ("role_binding.node", there.node != self.node),
            ("role_binding.components", there.components != self.components),
            ("role_binding.condition", there.condition != self.condition),
            ("role_binding.expire_time", there.expire_time != self.expire_time),
            ("role_binding.sponsor", there.sponsor != self.sponsor),
        ])
    }
}

#[cfg(test)]
mod tests {
    use decision::name::{RoleName, UserName};

    use super::*;
    use crate::user::UserKind;

    fn user(id: &str) -> Draft {
        let name = UserName::parse(&format!("users/{id}")).unwrap();
        Draft::User(UserDraft { name, kind: UserKind::ServiceAccount, email: None, display_name: String::new(), managed_by: None })
    }

    fn binding(organization: &str, user: &str) -> Draft {
        let node = NodeName::parse(&format!("organizations/{organization}")).unwrap();
        let principal = Principal::parse(&format!("users/{user}")).unwrap();
        let role = RoleName::parse("roleModels/m/roles/buyer").unwrap();
        let name = BindingName::parse(&format!("organizations/{organization}/roleBindings/b-{user}")).unwrap();
        Draft::Binding { name, assigned: Assignment::plain(principal, role, node), named: true }
    }

    fn workspace(organization: &str) -> Draft {
        let name = NodeName::parse(&format!("organizations/{organization}/workspaces/w")).unwrap();
        Draft::Workspace { name, display_name: "W".into() }
    }

    fn rows(drafts: &[Draft]) -> Vec<Vec<usize>> {
        runs(drafts.iter().enumerate()).into_iter().map(|run| run.rows).collect()
    }

    #[test]
    fn rows_of_one_kind_in_one_organization_are_done_together_and_never_before_what_they_need() {
        let mixed = [user("a"), binding("acme", "a"), user("b"), binding("acme", "b"), binding("other", "b"), binding("acme", "c")];
        assert_eq!(rows(&mixed), [vec![0, 2], vec![1, 3, 5], vec![4]]);
        // The second binding may be at the workspace.
        assert_eq!(rows(&[binding("acme", "a"), workspace("acme"), binding("acme", "b")]), [vec![0], vec![1], vec![2]]);
    }

    #[test]
    fn a_binding_needs_its_organization_its_node_and_its_principal() {
        assert_eq!(binding("acme", "ann").needs(), ["organizations/acme", "organizations/acme", "users/ann"]);
    }
}
