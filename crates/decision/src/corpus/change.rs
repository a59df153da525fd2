//! What happens to a world between its making and a question.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    document::{Grant, Level},
    world::{
        World, WorldAccount, WorldBinding, WorldError, WorldMember, WorldOrganization, WorldPartnership, WorldRole, WorldState,
        WorldWorkspace, node_name,
    },
};

/// One change; each is one call of the directory or the role catalog. Names are full but for a leading `organizations/` or `users/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A role is given. To a user who is no member, without a sponsor, it makes them one.
    AddBinding {
        /// The organization.
        organization: String,
        /// What is given.
        binding: WorldBinding,
    },
    /// A binding's role or component map is changed.
    ChangeBinding {
        /// `acme/roleBindings/ann-member`.
        binding: String,
        /// The role it has from now on; left out: as before.
        #[serde(default)]
        role: Option<String>,
        /// The component map it has from now on; left out: as before.
        #[serde(default)]
        components: Option<BTreeMap<String, Level>>,
    },
    /// A role is taken away: `acme/roleBindings/ann-buyer`.
    RemoveBinding(String),
    /// A partnership is revoked: `acme/partnerships/p1`.
    EndPartnership(String),
    /// The partner accepts.
    AcceptPartnership(String),
    /// `acme/accounts/a1`.
    PauseAccount(String),
    /// The opposite.
    ResumeAccount(String),
    /// A workspace is created.
    AddWorkspace {
        /// The organization.
        organization: String,
        /// The workspace.
        workspace: WorldWorkspace,
    },
    /// An account is created.
    AddAccount {
        /// The organization.
        organization: String,
        /// The account.
        account: WorldAccount,
    },
    /// An organization is created; a customer, if it has a parent.
    AddOrganization(WorldOrganization),
    /// The components enabled at a node are set.
    SetCeiling {
        /// The node.
        node: String,
        /// The components; left out: as if never set.
        #[serde(default)]
        components: Option<BTreeSet<String>>,
    },
    /// A registered resource's stored attributes are replaced.
    SetAttributes {
        /// The resource.
        node: String,
        /// All its attributes.
        attributes: BTreeMap<String, serde_json::Value>,
    },
    /// The service that owns a leaf ends it; its bindings end with it.
    EndResource(String),
    /// A container is suspended.
    SuspendNode(String),
    /// A container is deleted.
    DeleteNode(String),
    /// The opposite of both.
    RestoreNode(String),
    /// The platform suspends a user.
    SuspendUser(String),
    /// The opposite.
    ReactivateUser(String),
    /// An organization takes a user in: `acme/members/ann`.
    AddMember(String),
    /// An organization suspends a member.
    SuspendMember(String),
    /// The opposite.
    ReactivateMember(String),
    /// An organization removes a member, and with them the member's bindings there.
    RemoveMember(String),
    /// A member's place in a group ends.
    RemoveFromGroup {
        /// `acme/groups/buyers`.
        group: String,
        /// `ann` or `groups/seniors`.
        member: String,
    },
    /// A custom role is created.
    AddCustomRole {
        /// The organization.
        organization: String,
        /// The role.
        role: WorldRole,
    },
    /// A custom role's grants are replaced.
    UpdateCustomRole {
        /// `acme/roles/buyer`.
        role: String,
        /// All its grants.
        grants: Vec<Grant>,
    },
    /// A custom role is deleted: `acme/roles/buyer`.
    DeleteRole(String),
}

/// `acme/roleBindings/b1` as `acme` and `b1`.
fn parts<'n>(name: &'n str, collection: &str) -> Result<(&'n str, &'n str), WorldError> {
    let short = name.strip_prefix("organizations/").unwrap_or(name);
    match short.split('/').collect::<Vec<_>>().as_slice() {
        [organization, found, id] if *found == collection => Ok((organization, id)),
        _ => Err(missing(name)),
    }
}

fn missing(name: &str) -> WorldError {
    WorldError::Missing { place: "a change".to_owned(), missing: name.to_owned() }
}

/// Takes what fits out of a list, or says that nothing does.
fn take<T>(list: &mut Vec<T>, name: &str, fits: impl Fn(&T) -> bool) -> Result<T, WorldError> {
    let at = list.iter().position(fits).ok_or_else(|| missing(name))?;
    Ok(list.remove(at))
}

impl World {
    /// Makes a change as a whole: what it names must be there.
    ///
    /// # Errors
    ///
    /// [`WorldError::Missing`] for what is not.
    pub fn apply(&mut self, change: &Change) -> Result<(), WorldError> {
        match change {
            Change::AddBinding { organization, binding } => {
                let home = self.home(organization)?;
                let user = binding.principal.trim_start_matches("users/");
                let joins = binding.sponsor.is_none() && user != "anyone" && !user.contains('/');
                if joins && home.members.iter().all(|member| member.user != user) {
                    home.members.push(WorldMember { user: user.to_owned(), suspended: false });
                }
                home.bindings.push(binding.clone());
            }
            Change::ChangeBinding { binding, role, components } => {
                let found = self.binding(binding)?;
                // The name stays, whatever it was made of.
                found.id = Some(found.id());
                found.role = role.clone().unwrap_or_else(|| found.role.clone());
                found.components = components.clone().or_else(|| found.components.take());
            }
            Change::RemoveBinding(name) => {
                let (organization, id) = parts(name, "roleBindings")?;
                drop(take(&mut self.home(organization)?.bindings, name, |binding| binding.id() == id)?);
            }
            Change::EndPartnership(name) => {
                let (organization, id) = parts(name, "partnerships")?;
                let home = self.home(organization)?;
                drop(take(&mut home.partnerships, name, |partnership| partnership.id == id)?);
                // Its bindings end in the same commit.
                home.bindings
                    .retain(|binding| binding.sponsor.as_deref().is_none_or(|sponsor| !sponsor.ends_with(&format!("partnerships/{id}"))));
            }
            Change::AcceptPartnership(name) => self.partnership(name)?.accepted = true,
            Change::PauseAccount(name) => self.account(name)?.paused = true,
            Change::ResumeAccount(name) => self.account(name)?.paused = false,
            Change::AddWorkspace { organization, workspace } => self.home(organization)?.workspaces.push(workspace.clone()),
            Change::AddAccount { organization, account } => self.home(organization)?.accounts.push(account.clone()),
            Change::AddOrganization(organization) => self.organizations.push(organization.clone()),
            Change::SetCeiling { node, components } => *self.container(node)?.0 = components.clone(),
            Change::SetAttributes { node, attributes } => self.resource(node)?.attributes.clone_from(attributes),
            Change::EndResource(name) => self.end_resource(name)?,
            Change::SuspendNode(name) => *self.container(name)?.1 = WorldState::Suspended,
            Change::DeleteNode(name) => *self.container(name)?.1 = WorldState::Deleted,
            Change::RestoreNode(name) => *self.container(name)?.1 = WorldState::Active,
            Change::SuspendUser(id) => self.user(id)?.suspended = true,
            Change::ReactivateUser(id) => self.user(id)?.suspended = false,
            Change::AddMember(name) => {
                let (organization, user) = parts(name, "members")?;
                self.home(organization)?.members.push(WorldMember { user: user.to_owned(), suspended: false });
            }
            Change::SuspendMember(name) => self.member(name)?.suspended = true,
            Change::ReactivateMember(name) => self.member(name)?.suspended = false,
            Change::RemoveMember(name) => {
                let (organization, user) = parts(name, "members")?;
                let home = self.home(organization)?;
                drop(take(&mut home.members, name, |member| member.user == user)?);
                home.bindings.retain(|binding| binding.sponsor.is_some() || binding.principal.trim_start_matches("users/") != user);
                for group in &mut home.groups {
                    group.members.retain(|member| member.trim_start_matches("users/") != user);
                }
            }
            Change::RemoveFromGroup { group, member } => {
                let (organization, id) = parts(group, "groups")?;
                let found = self.home(organization)?.groups.iter_mut().find(|group| group.id == id).ok_or_else(|| missing(group))?;
                drop(take(&mut found.members, member, |known| known == member)?);
            }
            Change::AddCustomRole { organization, role } => self.home(organization)?.roles.push(role.clone()),
            Change::UpdateCustomRole { role, grants } => {
                let (organization, id) = parts(role, "roles")?;
                let found = self.home(organization)?.roles.iter_mut().find(|role| role.id == id);
                found.ok_or_else(|| missing(role))?.grants.clone_from(grants);
            }
            Change::DeleteRole(name) => {
                let (organization, id) = parts(name, "roles")?;
                drop(take(&mut self.home(organization)?.roles, name, |role| role.id == id)?);
            }
        }
        Ok(())
    }

    fn home(&mut self, id: &str) -> Result<&mut WorldOrganization, WorldError> {
        self.organizations.iter_mut().find(|organization| organization.id == id).ok_or_else(|| missing(id))
    }

    fn user(&mut self, id: &str) -> Result<&mut crate::world::WorldUser, WorldError> {
        let id = id.trim_start_matches("users/");
        self.users.iter_mut().find(|user| user.id == id).ok_or_else(|| missing(id))
    }

    fn member(&mut self, name: &str) -> Result<&mut WorldMember, WorldError> {
        let (organization, user) = parts(name, "members")?;
        self.home(organization)?.members.iter_mut().find(|member| member.user == user).ok_or_else(|| missing(name))
    }

    fn binding(&mut self, name: &str) -> Result<&mut WorldBinding, WorldError> {
        let (organization, id) = parts(name, "roleBindings")?;
        self.home(organization)?.bindings.iter_mut().find(|binding| binding.id() == id).ok_or_else(|| missing(name))
    }

    fn partnership(&mut self, name: &str) -> Result<&mut WorldPartnership, WorldError> {
        let (organization, id) = parts(name, "partnerships")?;
        self.home(organization)?.partnerships.iter_mut().find(|partnership| partnership.id == id).ok_or_else(|| missing(name))
    }

    fn account(&mut self, name: &str) -> Result<&mut WorldAccount, WorldError> {
        let (organization, id) = parts(name, "accounts")?;
        self.home(organization)?.accounts.iter_mut().find(|account| account.id == id).ok_or_else(|| missing(name))
    }

    /// The ceiling and the state of a container.
    fn container(&mut self, name: &str) -> Result<(&mut Option<BTreeSet<String>>, &mut WorldState), WorldError> {
        let short = name.strip_prefix("organizations/").unwrap_or(name);
        let Some((organization, inside)) = short.split_once('/') else {
            let home = self.home(short)?;
            return Ok((&mut home.ceiling, &mut home.state));
        };
        let home = self.home(organization)?;
        let found = match inside.split_once('/') {
            Some(("workspaces", id)) => home.workspaces.iter_mut().find(|w| w.id == id).map(|w| (&mut w.ceiling, &mut w.state)),
            Some(("accounts", id)) => home.accounts.iter_mut().find(|a| a.id == id).map(|a| (&mut a.ceiling, &mut a.state)),
            _ => None,
        };
        found.ok_or_else(|| missing(name))
    }

    fn resource(&mut self, name: &str) -> Result<&mut crate::world::WorldResource, WorldError> {
        let wanted = node_name(name, None).map_err(|_| missing(name))?;
        let home = self.home(wanted.organization().id())?;
        let home_name = wanted.organization();
        let found = home.resources.iter_mut().find(|resource| node_name(&resource.name, Some(&home_name)).as_ref() == Ok(&wanted));
        found.ok_or_else(|| missing(name))
    }

    fn end_resource(&mut self, name: &str) -> Result<(), WorldError> {
        self.resource(name)?.ended = true;
        let wanted = node_name(name, None).map_err(|_| missing(name))?;
        let home_name = wanted.organization();
        let home = self.home(home_name.id())?;
        let is_it = |text: &str| node_name(text, Some(&home_name)).as_ref() == Ok(&wanted);
        home.bindings.retain(|binding| !is_it(&binding.node));
        Ok(())
    }
}
