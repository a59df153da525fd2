//! Creates a [`World`] through the services, as a platform would: for demos and for the tests that ask the same of the services as of
//! the decision engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{SystemTime, UNIX_EPOCH},
};

use api::{
    directory::v1::*,
    feed::v1::{ComponentLevels, UserSet},
    rolecatalog::v1::{CreateRoleRequest, GetRoleModelRequest, Role, RoleModelDocument, role_model_document as format},
};
use decision::{
    document::{ConditionUse, Grant, Level},
    name::NodeKind,
    record::{self, Binding, NodeState, OrganizationKind, Record, Timestamp, Value},
    world::{World, WorldError, WorldUser},
};
use tonic::{Code, Status};

use crate::session::Session;

/// Why a world could not be created.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is no world.
    #[error("the world is not well formed: {0}")]
    World(#[from] WorldError),
    /// A call was refused.
    #[error("`{name}` was refused: {status}")]
    Refused {
        /// What was to be created.
        name: String,
        /// What the service said.
        status: Box<Status>,
    },
    /// A part of it cannot be written as a message.
    #[error("`{name}` cannot be sent: {cause}")]
    Unsendable {
        /// What was to be created.
        name: String,
        /// What is wrong.
        cause: String,
    },
}

/// What was created.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The names of role bindings that the directory chose itself, by the names that the world has for them.
    pub bindings: BTreeMap<String, String>,
    /// The last write's consistency token.
    pub revision: String,
}

impl Loaded {
    /// The directory's name of one of the world's bindings.
    pub fn binding<'a>(&'a self, name: &'a str) -> &'a str {
        self.bindings.get(name).map_or(name, String::as_str)
    }
}

fn refused(name: impl ToString) -> impl FnOnce(Status) -> LoadError {
    let name = name.to_string();
    move |status| LoadError::Refused { name, status: Box::new(status) }
}

/// Creates everything in the world that is not there yet; `platform` calls on behalf of the platform actor. What exists already under its name is
/// left as it is, so that loading again changes nothing.
pub async fn load(platform: &Session, world: &World) -> Result<Loaded, LoadError> {
    let mut loading = Loading { platform, world, loaded: Loaded::default(), models: BTreeMap::new(), found: false, made: BTreeSet::new() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let records = world.records(Timestamp(i64::try_from(now.as_micros()).unwrap_or(i64::MAX)))?;
    loading.everything(&records).await?;
    Ok(loading.loaded)
}

struct Loading<'a> {
    platform: &'a Session,
    world: &'a World,
    loaded: Loaded,
    models: BTreeMap<String, RoleModelDocument>,
    /// Something of the world was there already.
    found: bool,
    /// The containers that were not.
    made: BTreeSet<String>,
}

/// What a call for one thing came to: made, or left as it is. Where something of the world was there before, somebody may since have
/// deleted, ended or moved what the rest stands on; that is theirs to do, and not made up for.
fn created<T>(answer: Result<tonic::Response<T>, Status>, found: &mut bool) -> Result<Option<T>, Status> {
    match answer {
        Ok(response) => Ok(Some(response.into_inner())),
        Err(status) if status.code() == Code::AlreadyExists => {
            *found = true;
            Ok(None)
        }
        Err(status) if *found && matches!(status.code(), Code::NotFound | Code::FailedPrecondition) => Ok(None),
        Err(status) => Err(status),
    }
}

impl Loading<'_> {
    async fn everything(&mut self, records: &[Record]) -> Result<(), LoadError> {
        for user in self.world.users.iter().filter(|user| user.managed_by.is_none()) {
            self.user(user).await?;
        }
        // Organizations come before what is in them, roots before customers: that is the order of the records.
        for record in records {
            if let Record::Node(node) = record
                && node.name.is_container()
            {
                self.container(node).await?;
            }
        }
        for user in self.world.users.iter().filter(|user| user.managed_by.is_some()) {
            self.user(user).await?;
        }
        for record in records {
            if let Record::Member(member) = record {
                self.member(member, records).await?;
            }
        }
        for organization in &self.world.organizations {
            for group in &organization.groups {
                self.group(&organization.id, group).await?;
            }
        }
        for record in records {
            if let Record::GroupEdge(edge) = record {
                let member = match &edge.member {
                    record::GroupMember::User(user) => user.to_string(),
                    record::GroupMember::Group(group) => group.to_string(),
                };
                let request = AddGroupMemberRequest { group: edge.group.to_string(), member, ..Default::default() };
                created(self.platform.groups().add_group_member(request).await, &mut self.found).map_err(refused(&edge.group))?;
            }
        }
        for record in records {
            match record {
                Record::CustomRole(role) => self.role(role).await?,
                Record::Node(node) if node.name.is_container() => self.ceiling(node).await?,
                Record::Node(node) => self.resource(node).await?,
                Record::User(_) | Record::Member(_) | Record::GroupEdge(_) | Record::Partnership(_) | Record::Binding(_) => {}
                Record::ModelRevision(_) => {}
            }
        }
        for record in records {
            if let Record::Partnership(partnership) = record {
                self.partnership(partnership).await?;
            }
        }
        for record in records {
            if let Record::Binding(binding) = record {
                self.binding(binding).await?;
            }
        }
        for record in records {
            self.last_state(record).await?;
        }
        Ok(())
    }

    fn saw(&mut self, revision: &str) {
        revision.clone_into(&mut self.loaded.revision);
    }

    async fn user(&mut self, user: &WorldUser) -> Result<(), LoadError> {
        let draft = User {
            email: user.email.clone().unwrap_or_else(|| format!("{}@example.com", user.id)),
            display_name: user.display_name.clone().unwrap_or_else(|| user.id.clone()),
            managed_by: user.managed_by.as_ref().map(|home| format!("organizations/{home}")).unwrap_or_default(),
            ..Default::default()
        };
        let request = CreateUserRequest { user_id: user.id.clone(), user: Some(draft), ..Default::default() };
        if let Some(user) = created(self.platform.users().create_user(request).await, &mut self.found).map_err(refused(&user.id))? {
            self.saw(&user.revision);
        }
        Ok(())
    }

    async fn container(&mut self, node: &record::Node) -> Result<(), LoadError> {
        let id = node.name.id().to_owned();
        let home = node.name.organization();
        let Some(organization) = self.world.organization(home.id()) else { return Ok(()) };
        let parent = home.to_string();
        let revision = match node.name.kind() {
            NodeKind::Organization => {
                let draft = Organization {
                    display_name: organization.display_name.clone().unwrap_or_else(|| id.clone()),
                    kind: match node.kind {
                        OrganizationKind::Marketer => organization::Kind::Marketer,
                        OrganizationKind::Publisher => organization::Kind::Publisher,
                        OrganizationKind::Mixed => organization::Kind::Mixed,
                    }
                    .into(),
                    website: organization.website.clone(),
                    location: organization.location.clone(),
                    parent: node.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
                    role_model: node.model.as_ref().map(|(model, _)| format!("roleModels/{model}")).unwrap_or_default(),
                    ..Default::default()
                };
                let request = CreateOrganizationRequest { organization_id: id, organization: Some(draft), ..Default::default() };
                created(self.platform.organizations().create_organization(request).await, &mut self.found)
                    .map(|made| made.map(|made| made.revision))
            }
            NodeKind::Workspace => {
                let title =
                    organization.workspaces.iter().find(|workspace| workspace.id == id).and_then(|found| found.display_name.clone());
                let draft = Workspace { display_name: title.unwrap_or_else(|| id.clone()), ..Default::default() };
                let request = CreateWorkspaceRequest { parent, workspace_id: id, workspace: Some(draft), ..Default::default() };
                created(self.platform.workspaces().create_workspace(request).await, &mut self.found)
                    .map(|made| made.map(|made| made.revision))
            }
            NodeKind::Account => {
                let title = organization.accounts.iter().find(|account| account.id == id).and_then(|found| found.display_name.clone());
                let workspace = node.parent.as_ref().filter(|parent| parent.kind() == NodeKind::Workspace);
                let draft = Account {
                    display_name: title.unwrap_or_else(|| id.clone()),
                    workspace: workspace.map(ToString::to_string).unwrap_or_default(),
                    ..Default::default()
                };
                let request = CreateAccountRequest { parent, account_id: id, account: Some(draft), ..Default::default() };
                created(self.platform.accounts().create_account(request).await, &mut self.found).map(|made| made.map(|made| made.revision))
            }
            NodeKind::Leaf { .. } => Ok(None),
        };
        if let Some(revision) = revision.map_err(refused(&node.name))? {
            self.made.insert(node.name.to_string());
            self.saw(&revision);
        }
        Ok(())
    }

    /// The role model of an organization's tree.
    async fn model(&mut self, organization: &str) -> Result<RoleModelDocument, LoadError> {
        let model = self.world.model_of(organization).unwrap_or_default().to_owned();
        if let Some(document) = self.models.get(&model) {
            return Ok(document.clone());
        }
        let request = GetRoleModelRequest { name: format!("roleModels/{model}"), model_revision: 0 };
        let found = self.platform.role_models().get_role_model(request).await.map_err(refused(&model))?.into_inner();
        let document = found.document.unwrap_or_default();
        self.models.insert(model, document.clone());
        Ok(document)
    }

    /// A member comes with the organization role that the world gives them, instead of the default one.
    async fn member(&mut self, member: &record::Member, records: &[Record]) -> Result<(), LoadError> {
        let organization = member.name.organization();
        let rules = self.model(organization.id()).await?.membership.unwrap_or_default();
        let user = format!("users/{}", member.name.id());
        let role = records.iter().find_map(|record| match record {
            Record::Binding(binding)
                if binding.node == organization
                    && binding.sponsor.is_none()
                    && binding.principal.to_string() == user
                    && rules.organization_roles.iter().any(|role| role == binding.role.id()) =>
            {
                Some(binding)
            }
            _ => None,
        });
        let is_home = |managed: &WorldUser| managed.id == member.name.id() && managed.managed_by.as_deref() == Some(organization.id());
        if self.world.users.iter().any(is_home) {
            // They came with the default role.
            return match role {
                Some(binding) => self.change_default_role(binding, &user).await,
                None => Ok(()),
            };
        }
        if let Some(binding) = role
            && rules.on_grant == "join"
        {
            return self.binding(binding).await;
        }
        let request = CreateMemberRequest { parent: organization.to_string(), user: user.clone(), ..Default::default() };
        let Some(made) = created(self.platform.members().create_member(request).await, &mut self.found).map_err(refused(&member.name))?
        else {
            return Ok(());
        };
        self.saw(&made.revision);
        match role {
            Some(binding) if made.organization_role.is_empty() => self.binding(binding).await,
            Some(binding) => self.change_default_role(binding, &user).await,
            None => Ok(()),
        }
    }

    async fn change_default_role(&mut self, wanted: &Binding, user: &str) -> Result<(), LoadError> {
        let node = wanted.node.to_string();
        let request = ListRoleBindingsRequest { parent: node.clone(), node, principal: user.to_owned(), ..Default::default() };
        let held = self.platform.role_bindings().list_role_bindings(request).await.map_err(refused(user))?.into_inner().role_bindings;
        let Some(default) = held.into_iter().next() else { return self.binding(wanted).await };
        let name = default.name.clone();
        let draft = RoleBinding { name: name.clone(), etag: default.etag, ..role_binding(wanted)? };
        let request = UpdateRoleBindingRequest { role_binding: Some(draft), ..Default::default() };
        let changed = self.platform.role_bindings().update_role_binding(request).await.map_err(refused(&wanted.name))?.into_inner();
        self.saw(&changed.revision);
        self.loaded.bindings.insert(wanted.name.to_string(), name);
        Ok(())
    }

    async fn group(&mut self, organization: &str, group: &decision::world::WorldGroup) -> Result<(), LoadError> {
        let request = CreateGroupRequest {
            parent: format!("organizations/{organization}"),
            group_id: group.id.clone(),
            group: Some(Group { display_name: group.display_name.clone().unwrap_or_else(|| group.id.clone()), ..Default::default() }),
            ..Default::default()
        };
        created(self.platform.groups().create_group(request).await, &mut self.found).map_err(refused(&group.id))?;
        Ok(())
    }

    async fn role(&mut self, role: &record::CustomRole) -> Result<(), LoadError> {
        let parent = role.name.as_str().rsplit_once("/roles/").map(|(parent, _)| parent.to_owned()).unwrap_or_default();
        let organization = parent.rsplit('/').next().and_then(|id| self.world.organization(id));
        let title = organization
            .and_then(|found| found.roles.iter().find(|known| known.id == role.name.id()))
            .and_then(|found| found.title.clone());
        let draft = Role {
            title: title.unwrap_or_else(|| role.name.id().to_owned()),
            held_at: role.held_at.clone(),
            grants: role.grants.iter().map(|grant| grant_message(&role.name, grant)).collect::<Result<_, _>>()?,
            ..Default::default()
        };
        let request = CreateRoleRequest { parent, role_id: role.name.id().to_owned(), role: Some(draft), ..Default::default() };
        if let Some(made) = created(self.platform.roles().create_role(request).await, &mut self.found).map_err(refused(&role.name))? {
            self.saw(&made.revision);
        }
        Ok(())
    }

    async fn ceiling(&mut self, node: &record::Node) -> Result<(), LoadError> {
        let Some(components) = node.ceiling.as_ref().filter(|_| self.made.contains(node.name.as_str())) else { return Ok(()) };
        let ceiling =
            Ceiling { node: node.name.to_string(), set: true, components: components.iter().cloned().collect(), ..Default::default() };
        let request = SetCeilingRequest { ceiling: Some(ceiling), ..Default::default() };
        let set = self.platform.ceilings().set_ceiling(request).await.map_err(refused(&node.name))?.into_inner();
        self.saw(&set.revision);
        Ok(())
    }

    async fn resource(&mut self, node: &record::Node) -> Result<(), LoadError> {
        let attributes = node.attributes.iter().map(|(id, value)| (id.clone(), value_message(value))).collect();
        let resource = Resource { name: node.name.to_string(), attributes, ..Default::default() };
        let request = CreateResourceRequest { resource: Some(resource), ..Default::default() };
        if let Some(made) =
            created(self.platform.resources().create_resource(request).await, &mut self.found).map_err(refused(&node.name))?
        {
            self.saw(&made.revision);
        }
        Ok(())
    }

    async fn partnership(&mut self, partnership: &record::Partnership) -> Result<(), LoadError> {
        let request = CreatePartnershipRequest {
            parent: partnership.name.organization().to_string(),
            partnership_id: partnership.name.id().to_owned(),
            partnership: Some(Partnership {
                partner: partnership.partner.to_string(),
                node: partnership.node.to_string(),
                roles: partnership.roles.iter().map(ToString::to_string).collect(),
                components: partnership.components.as_ref().map(levels_message),
                users: partnership.users.as_ref().map(|users| UserSet { users: users.iter().map(ToString::to_string).collect() }),
                expire_time: partnership.expires.map(timestamp_message),
                ..Default::default()
            }),
            ..Default::default()
        };
        let Some(made) =
            created(self.platform.partnerships().create_partnership(request).await, &mut self.found).map_err(refused(&partnership.name))?
        else {
            return Ok(());
        };
        self.saw(&made.revision);
        if partnership.accepted {
            let request = AcceptPartnershipRequest { name: partnership.name.to_string(), ..Default::default() };
            let accepted = self.platform.partnerships().accept_partnership(request).await.map_err(refused(&partnership.name))?.into_inner();
            self.saw(&accepted.revision);
        }
        Ok(())
    }

    async fn binding(&mut self, binding: &Binding) -> Result<(), LoadError> {
        let request = create_role_binding(binding)?;
        if self.loaded.bindings.contains_key(binding.name.as_str()) {
            return Ok(());
        }
        if let Some(made) =
            created(self.platform.role_bindings().create_role_binding(request).await, &mut self.found).map_err(refused(&binding.name))?
        {
            self.saw(&made.revision);
        }
        Ok(())
    }

    /// Pauses, suspensions and deletions, when everything is there.
    async fn last_state(&mut self, record: &Record) -> Result<(), LoadError> {
        let name = record.key();
        let answer = match record {
            Record::User(user) if user.suspended => {
                let request = SuspendUserRequest { name: name.clone(), ..Default::default() };
                self.platform.users().suspend_user(request).await.map(drop)
            }
            Record::Member(member) if member.suspended => {
                let member = Member { name: name.clone(), state: member::State::Suspended.into(), ..Default::default() };
                let request = UpdateMemberRequest { member: Some(member), ..Default::default() };
                self.platform.members().update_member(request).await.map(drop)
            }
            Record::Node(node) if node.paused => {
                let request = PauseAccountRequest { name: name.clone(), ..Default::default() };
                self.platform.accounts().pause_account(request).await.map(drop)
            }
            Record::Node(node) => match (node.state, node.name.kind()) {
                (NodeState::Suspended, NodeKind::Organization) => {
                    let request = SuspendOrganizationRequest { name: name.clone(), ..Default::default() };
                    self.platform.organizations().suspend_organization(request).await.map(drop)
                }
                (NodeState::Deleted, NodeKind::Organization) => {
                    let request = DeleteOrganizationRequest { name: name.clone(), force: true, ..Default::default() };
                    self.platform.organizations().delete_organization(request).await.map(drop)
                }
                (NodeState::Deleted, NodeKind::Workspace) => {
                    let request = DeleteWorkspaceRequest { name: name.clone(), force: true, ..Default::default() };
                    self.platform.workspaces().delete_workspace(request).await.map(drop)
                }
                (NodeState::Deleted, NodeKind::Leaf { .. }) => {
                    let request = DeleteResourceRequest { name: name.clone(), ..Default::default() };
                    self.platform.resources().delete_resource(request).await.map(drop)
                }
                (NodeState::Deleted, NodeKind::Account) => {
                    let request = DeleteAccountRequest { name: name.clone(), force: true, ..Default::default() };
                    self.platform.accounts().delete_account(request).await.map(drop)
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        };
        match answer {
            // It is so already: the world was loaded before.
            Err(status) if status.code() == Code::FailedPrecondition => Ok(()),
            answer => answer.map_err(refused(name)),
        }
    }
}

/// The call that creates a role binding.
pub fn create_role_binding(binding: &Binding) -> Result<CreateRoleBindingRequest, LoadError> {
    Ok(CreateRoleBindingRequest {
        parent: binding.name.organization().to_string(),
        role_binding_id: binding.name.id().to_owned(),
        role_binding: Some(role_binding(binding)?),
        ..Default::default()
    })
}

fn role_binding(binding: &Binding) -> Result<RoleBinding, LoadError> {
    Ok(RoleBinding {
        principal: binding.principal.to_string(),
        role: binding.role.to_string(),
        node: binding.node.to_string(),
        components: binding.components.as_ref().map(levels_message),
        condition: binding.condition.as_ref().map(|condition| condition_message(&binding.name, condition)).transpose()?,
        expire_time: binding.expires.map(timestamp_message),
        sponsor: binding.sponsor.as_ref().map(ToString::to_string).unwrap_or_default(),
        ..Default::default()
    })
}

/// Components and levels as a message.
pub fn levels_message(levels: &BTreeMap<String, Level>) -> ComponentLevels {
    let word = |level: &Level| match level {
        Level::None => "none",
        Level::View => "view",
        Level::Edit => "edit",
    };
    ComponentLevels { levels: levels.iter().map(|(component, level)| (component.clone(), word(level).to_owned())).collect() }
}

/// An attribute's value as a message.
pub fn value_message(value: &Value) -> prost_types::Value {
    api::document::from_json(&match value {
        Value::String(text) => text.clone().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::StringList(items) => items.clone().into(),
    })
}

/// A role's grant as a message.
pub fn grant_message(name: impl ToString, grant: &Grant) -> Result<format::Grant, LoadError> {
    message(name, grant)
}

fn condition_message(name: impl ToString, condition: &ConditionUse) -> Result<format::ConditionUse, LoadError> {
    message(name, condition)
}

/// The role model's messages have the shape of the document.
fn message<T: serde::de::DeserializeOwned>(name: impl ToString, part: impl serde::Serialize) -> Result<T, LoadError> {
    serde_json::to_value(part)
        .and_then(serde_json::from_value)
        .map_err(|cause| LoadError::Unsendable { name: name.to_string(), cause: cause.to_string() })
}

fn timestamp_message(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.0.div_euclid(1_000_000),
        // Below 10^9 by construction.
        nanos: i32::try_from(time.0.rem_euclid(1_000_000) * 1_000).unwrap_or_default(),
    }
}
