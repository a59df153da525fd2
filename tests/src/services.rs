//! Running services, as something that a corpus can be put to.

mod pages;
mod people;
mod roles;

use std::collections::{BTreeMap, BTreeSet};

use api::{
    authz::v1::{
        CheckRequest, Consistency, Decision, ListResourcesRequest as ListReachedRequest, Query, Verdict as WireVerdict,
        consistency::Requirement,
    },
    directory::v1::*,
    rolecatalog::v1::{
        CreateRoleRequest, DeleteRoleRequest, PushRoleModelRequest, Role, UpdateRoleRequest, push_role_model_request::Source,
    },
};
use client::{
    session::Session,
    world::{Loaded, create_role_binding, grant_message, levels_message, load},
};
use decision::{
    corpus::{Assign, AssignPath, Change, Check, Lines, List, RoleList, ShownMatrix, Subject, Verdict, Write, WriteOutcome},
    document::{Document, Grant, Level},
    name::{NodeKind, NodeName},
    record::Timestamp,
    world::{World, WorldBinding, WorldOrganization, binding_record, node_name, principal, role_name, sponsor, user_name},
};
use tokio::runtime::Runtime;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use crate::installation::{Installation, Layout, PLATFORM, Store};

/// A fresh installation for every world.
pub struct Services {
    runtime: Runtime,
    layout: Layout,
    postgres: bool,
    running: Option<Running>,
    /// Installations started.
    pub started: usize,
}

struct Running {
    installation: Installation,
    world: World,
    loaded: Loaded,
    /// The latest write's token.
    revision: String,
}

/// `ErrorInfo.reason` of a refusal.
pub fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_else(|| format!("{:?}: {}", status.code(), status.message()))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// What a failed call says, for the report.
fn said(status: Status) -> String {
    format!("{:?} {}: {}", status.code(), reason(&status), status.message())
}

fn after(seconds: u32) -> prost_types::Timestamp {
    let time = std::time::SystemTime::now() + std::time::Duration::from_secs(seconds.into());
    time.into()
}

impl Services {
    /// In this layout, on PostgreSQL or on SQLite.
    pub fn new(layout: Layout, postgres: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        Self { runtime, layout, postgres, running: None, started: 0 }
    }

    fn running(&self) -> Result<&Running, String> {
        self.running.as_ref().ok_or_else(|| "no world is loaded".to_owned())
    }

    /// Makes a change on somebody's behalf; the refusal comes as its status.
    fn change(&mut self, actor: &str, change: &Change) -> Result<Result<String, Status>, String> {
        let running = self.running.as_mut().ok_or("no world is loaded")?;
        let session = running.installation.on_behalf_of(actor);
        let changing = Changing { session, world: &running.world, loaded: &running.loaded };
        let outcome = self.runtime.block_on(changing.change(change))?;
        if let Ok(revision) = &outcome {
            running.revision.clone_from(revision);
            // Later names are resolved by the world as it is now; the service has the last word on what it holds.
            running.world.apply(change).map_err(text)?;
        }
        Ok(outcome)
    }

    fn consistency(revision: &str) -> Option<Consistency> {
        Some(Consistency { requirement: Some(Requirement::AtLeastAsFresh(revision.to_owned())), max_staleness_ms: 0 })
    }
}

/// A decision in the words of the corpus.
fn verdict(decision: &Decision) -> Verdict {
    match decision.verdict() {
        WireVerdict::Allow => Verdict::Allow,
        WireVerdict::Deny | WireVerdict::Unspecified => Verdict::Deny(decision.reason.clone()),
        WireVerdict::Conditional => {
            Verdict::Conditional(decision.missing.iter().map(|set| set.attributes.iter().cloned().collect()).collect())
        }
    }
}

impl Subject for Services {
    fn load(&mut self, document: &Document, world: &World) -> Result<(), String> {
        // Channels belong to the runtime in which they are made, and end in.
        let _entered = self.runtime.enter();
        // The one before gives its memory and its ports back first.
        self.running = None;
        self.started += 1;
        let store = if self.postgres { self.runtime.block_on(Store::postgres()) } else { Store::Sqlite };
        let installation = Installation::start(self.layout, store);
        let platform = installation.platform();
        let (loaded, revision) = self.runtime.block_on(async {
            let request = PushRoleModelRequest { source: Some(Source::Document(message(document)?)), ..Default::default() };
            let pushed = platform.role_models().push_role_model(request).await.map_err(said)?.into_inner();
            let loaded = load(&platform, world).await.map_err(text)?;
            let revision = if loaded.revision.is_empty() { pushed.revision } else { loaded.revision.clone() };
            Ok::<_, String>((loaded, revision))
        })?;
        self.running = Some(Running { installation, world: world.clone(), loaded, revision });
        Ok(())
    }

    fn apply(&mut self, change: &Change) -> Result<(), String> {
        self.change(PLATFORM, change)?.map(drop).map_err(said)
    }

    fn wait(&mut self, seconds: u32) -> Result<(), String> {
        self.runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_secs(seconds.into())).await });
        Ok(())
    }

    fn check(&mut self, check: &Check) -> Result<Verdict, String> {
        let running = self.running()?;
        let query = Query {
            user: user_name(&check.user).map_err(text)?.to_string(),
            permission: check.permission.clone(),
            resource: node_name(&check.resource, None).map_err(text)?.to_string(),
            attributes: check.attributes.iter().map(|(id, value)| (id.clone(), api::document::from_json(value))).collect(),
        };
        let request = CheckRequest { query: Some(query), consistency: Self::consistency(&running.revision) };
        match self.runtime.block_on(running.installation.session().checks().check(request)) {
            Ok(answer) => Ok(verdict(&answer.into_inner().decision.unwrap_or_default())),
            Err(status) if status.code() == Code::InvalidArgument => Ok(Verdict::Invalid),
            Err(status) => Err(said(status)),
        }
    }

    /// By a batch of checks on one view, of all the nodes that the world has.
    fn list(&mut self, list: &List) -> Result<BTreeSet<String>, String> {
        let running = self.running()?;
        let user = user_name(&list.user).map_err(text)?.to_string();
        let mut found = BTreeSet::new();
        let mut page_token = String::new();
        loop {
            let request = ListReachedRequest {
                user: user.clone(),
                permission: list.permission.clone(),
                resource_type: list.node_type.clone(),
                consistency: Self::consistency(&running.revision),
                // Small, so that every list is paged.
                page_size: 2,
                page_token,
                ..Default::default()
            };
            let answer = self.runtime.block_on(running.installation.session().checks().list_resources(request)).map_err(said)?.into_inner();
            found.extend(answer.resources);
            if answer.complete {
                return Ok(found);
            }
            page_token = answer.next_page_token;
        }
    }

    fn may_assign(&mut self, assign: &Assign) -> Result<bool, String> {
        let running = self.running()?;
        let actor = user_name(&assign.actor).map_err(text)?.to_string();
        let binding = running.binding(assign)?;
        let outcome = self.runtime.block_on(async {
            match assign.path {
                AssignPath::Assign => {
                    let request = CreateRoleBindingRequest {
                        parent: organization_of(&binding.node)?,
                        role_binding: Some(binding),
                        validate_only: true,
                        ..Default::default()
                    };
                    Ok(running.installation.on_behalf_of(&actor).role_bindings().create_role_binding(request).await.map(drop))
                }
                AssignPath::Revoke => {
                    let name = running.held(&binding).await?;
                    let request = DeleteRoleBindingRequest { name, validate_only: true, ..Default::default() };
                    Ok(running.installation.on_behalf_of(&actor).role_bindings().delete_role_binding(request).await.map(drop))
                }
                AssignPath::Invite => {
                    let RoleBinding { principal, role, node, components, condition, expire_time, sponsor, .. } = binding;
                    let email = running.email(&principal)?;
                    let parent = organization_of(&node)?;
                    let invitation = Invitation {
                        email,
                        role,
                        node,
                        components,
                        condition,
                        binding_expire_time: expire_time,
                        sponsor,
                        ..Default::default()
                    };
                    let request =
                        CreateInvitationRequest { parent, invitation: Some(invitation), validate_only: true, ..Default::default() };
                    Ok::<_, String>(running.installation.on_behalf_of(&actor).invitations().create_invitation(request).await.map(drop))
                }
            }
        })?;
        match outcome {
            Ok(()) => Ok(true),
            Err(status) => match (status.code(), reason(&status).as_str()) {
                (Code::PermissionDenied | Code::InvalidArgument, _) | (_, "SPONSOR_LIMIT") => Ok(false),
                // The actor may; that the seat is taken, or the role held already, is another matter.
                (_, "SEATS_TAKEN" | "ROLE_EXCLUSIVE" | "ALREADY_EXISTS" | "NOT_A_MEMBER" | "REQUIRED_ROLE") => Ok(true),
                _ => Err(said(status)),
            },
        }
    }

    fn roles(&mut self, list: &RoleList) -> Result<Option<BTreeSet<String>>, String> {
        let running = self.running()?;
        self.runtime.block_on(roles::list(running, list))
    }

    fn matrix(&mut self, matrix: &ShownMatrix) -> Result<Lines, String> {
        let running = self.running()?;
        self.runtime.block_on(roles::matrix(running, matrix))
    }

    fn write(&mut self, write: &Write) -> Result<Option<WriteOutcome>, String> {
        match write {
            Write::Attempt { actor, change, expect } => {
                let actor = if actor == "platform" { PLATFORM.to_owned() } else { user_name(actor).map_err(text)?.to_string() };
                let outcome = match self.change(&actor, change)? {
                    Ok(_) => "done".to_owned(),
                    Err(status) => reason(&status),
                };
                Ok(Some(if outcome == *expect { Ok(()) } else { Err(format!("got {outcome}")) }))
            }
            Write::Seats { node, role, components, most } => self.fill_seats(node, role, components.as_ref(), *most).map(Some),
            Write::Invite { actor, principal, role, node, expect } => {
                let running = self.running()?;
                let outcome = self.runtime.block_on(running.invite(actor, principal, role, node))?;
                Ok(Some(as_expected(outcome, expect)))
            }
            Write::Roster { actor, node, search, expect, refused } => {
                let running = self.running()?;
                let actor = if actor == "platform" { PLATFORM.to_owned() } else { user_name(actor).map_err(text)?.to_string() };
                self.runtime.block_on(pages::roster(running, &actor, node, search, expect, refused.as_deref())).map(Some)
            }
            Write::Places { user, permission, expect } => {
                let running = self.running()?;
                self.runtime.block_on(pages::places(running, user, permission.as_deref(), expect)).map(Some)
            }
            Write::SaveMember { actor, member, roles, expect } => {
                let running = self.running()?;
                self.runtime.block_on(people::save_member(running, actor, member, roles, expect)).map(Some)
            }
            Write::Identity { creator, organization, actor, expect } => {
                let running = self.running()?;
                self.runtime.block_on(people::identity(running, creator, organization, actor, expect)).map(Some)
            }
            Write::InviteCustomer { actor, workspace, id, display_name, website, location, principal, role, expect } => {
                let running = self.running()?;
                let organization = Organization {
                    display_name: display_name.clone(),
                    website: website.clone(),
                    location: location.clone(),
                    ..Default::default()
                };
                let outcome = self.runtime.block_on(running.invite_customer(actor, workspace, id, organization, principal, role))?;
                Ok(Some(as_expected(outcome, expect)))
            }
        }
    }
}

impl Services {
    fn fill_seats(
        &mut self,
        node: &str,
        role: &str,
        components: Option<&BTreeMap<String, Level>>,
        most: u32,
    ) -> Result<WriteOutcome, String> {
        let running = self.running()?;
        let name = node_name(node, None).map_err(text)?;
        let organization = name.organization();
        let model = running.world.model_of(organization.id()).ok_or("the world has no such organization")?;
        let role = role_name(role, model, &organization).map_err(text)?.to_string();
        let platform = running.installation.platform();
        self.runtime.block_on(async {
            let request =
                ListRoleBindingsRequest { parent: organization.to_string(), node: name.to_string(), page_size: 1000, ..Default::default() };
            let there = platform.role_bindings().list_role_bindings(request).await.map_err(said)?.into_inner().role_bindings;
            let held = there.iter().filter(|binding| binding.role == role).count();
            for seat in held as u32..=most {
                let id = format!("seat-{}-{}-{seat}", name.id(), role.rsplit('/').next().unwrap_or_default());
                let user = User { email: format!("{id}@example.com"), display_name: id.clone(), ..Default::default() };
                let request = CreateUserRequest { user_id: id.clone(), user: Some(user), ..Default::default() };
                platform.users().create_user(request).await.map_err(said)?;
                let request = CreateMemberRequest { parent: organization.to_string(), user: format!("users/{id}"), ..Default::default() };
                let outcome = match platform.members().create_member(request).await {
                    // A member has the default organization role, if there is one; another one takes its place.
                    Ok(member) => give(&platform, &organization, &name, &role, components, &id, &member.into_inner()).await,
                    Err(status) => Err(status),
                };
                match outcome {
                    Ok(()) if seat < most => {}
                    Err(status) if seat == most && reason(&status) == "SEATS_TAKEN" => {
                        let limit = status.get_details_error_info().and_then(|info| info.metadata.get("limit").cloned());
                        return Ok(if limit == Some(most.to_string()) { Ok(()) } else { Err(format!("the limit said is {limit:?}")) });
                    }
                    Ok(()) => return Ok(Err(format!("{} hold a role of {most} seats", most + 1))),
                    Err(status) => return Ok(Err(format!("seat {seat} of {most}: {}", said(status)))),
                }
            }
            Ok(Err("more hold it than there are seats".to_owned()))
        })
    }
}

async fn give(
    platform: &Session,
    organization: &NodeName,
    node: &NodeName,
    role: &str,
    components: Option<&BTreeMap<String, Level>>,
    user: &str,
    member: &Member,
) -> Result<(), Status> {
    let components = components.map(levels_message);
    if !member.organization_role.is_empty() && node == organization {
        let request = ListRoleBindingsRequest {
            parent: organization.to_string(),
            node: node.to_string(),
            principal: format!("users/{user}"),
            ..Default::default()
        };
        let held = platform.role_bindings().list_role_bindings(request).await?.into_inner().role_bindings;
        if let Some(default) = held.into_iter().next() {
            let role_binding = RoleBinding { role: role.to_owned(), components, ..default };
            let request = UpdateRoleBindingRequest { role_binding: Some(role_binding), ..Default::default() };
            return platform.role_bindings().update_role_binding(request).await.map(drop);
        }
    }
    let role_binding =
        RoleBinding { principal: format!("users/{user}"), role: role.to_owned(), node: node.to_string(), components, ..Default::default() };
    let request = CreateRoleBindingRequest { parent: organization.to_string(), role_binding: Some(role_binding), ..Default::default() };
    platform.role_bindings().create_role_binding(request).await.map(drop)
}

/// A refusal as it was expected, or that it was none.
fn as_expected(outcome: Result<(), Status>, expect: &str) -> WriteOutcome {
    let outcome = match outcome {
        Ok(()) => "done".to_owned(),
        Err(status) => reason(&status),
    };
    if outcome == expect { Ok(()) } else { Err(format!("got {outcome}")) }
}

fn organization_of(node: &str) -> Result<String, String> {
    Ok(node_name(node, None).map_err(text)?.organization().to_string())
}

impl Running {
    fn binding(&self, assign: &Assign) -> Result<RoleBinding, String> {
        let node = node_name(&assign.node, None).map_err(text)?;
        let home = node.organization();
        let model = self.world.model_of(home.id()).ok_or_else(|| format!("the world has no `{home}`"))?;
        let condition = assign.condition.as_ref().map(message).transpose()?;
        Ok(RoleBinding {
            principal: principal(&assign.principal, Some(&home)).map_err(text)?.to_string(),
            role: role_name(&assign.role, model, &home).map_err(text)?.to_string(),
            node: node.to_string(),
            components: assign.components.as_ref().map(levels_message),
            condition,
            expire_time: assign.expires_in_seconds.map(after),
            sponsor: match &assign.sponsor {
                Some(given) => sponsor(given, &home).map_err(text)?.to_string(),
                None => String::new(),
            },
            ..Default::default()
        })
    }

    /// The address of a user of the world.
    fn email(&self, principal: &str) -> Result<String, String> {
        let id = principal.strip_prefix("users/").ok_or_else(|| format!("`{principal}` has no address"))?;
        let user = self.world.users.iter().find(|user| user.id == id);
        Ok(user.and_then(|user| user.email.clone()).unwrap_or_else(|| format!("{id}@example.com")))
    }

    /// Invites somebody, who accepts: then they hold the role.
    async fn invite(&self, actor: &str, invitee: &str, role: &str, node: &str) -> Result<Result<(), Status>, String> {
        let node = node_name(node, None).map_err(text)?;
        let home = node.organization();
        let model = self.world.model_of(home.id()).ok_or("the world has no such organization")?;
        let role = role_name(role, model, &home).map_err(text)?.to_string();
        let invitee = user_name(invitee).map_err(text)?.to_string();
        let invitation = Invitation { email: self.email(&invitee)?, role: role.clone(), node: node.to_string(), ..Default::default() };
        let request = CreateInvitationRequest { parent: home.to_string(), invitation: Some(invitation), ..Default::default() };
        let actor = user_name(actor).map_err(text)?.to_string();
        let token = match self.installation.on_behalf_of(&actor).invitations().create_invitation(request).await {
            Ok(created) => created.into_inner().token,
            Err(status) => return Ok(Err(status)),
        };
        let binding = self.accept(&invitee, token).await?;
        if (binding.principal.as_str(), binding.role, binding.node) != (invitee.as_str(), role, node.to_string()) {
            return Err("the invitation became another binding".to_owned());
        }
        Ok(Ok(()))
    }

    async fn accept(&self, invitee: &str, token: String) -> Result<RoleBinding, String> {
        let request = AcceptInvitationRequest { token, ..Default::default() };
        let accepted = self.installation.on_behalf_of(invitee).invitations().accept_invitation(request).await.map_err(said)?;
        accepted.into_inner().role_binding.ok_or_else(|| "no binding came of it".to_owned())
    }

    /// Invites a customer: the organization is as it was said, and in use once the invitation is accepted.
    async fn invite_customer(
        &self,
        actor: &str,
        workspace: &str,
        id: &str,
        organization: Organization,
        invitee: &str,
        role: &str,
    ) -> Result<Result<(), Status>, String> {
        let workspace = node_name(workspace, None).map_err(text)?;
        let home = workspace.organization();
        let model = self.world.model_of(home.id()).ok_or("the world has no such organization")?;
        let invitee = user_name(invitee).map_err(text)?.to_string();
        let request = InviteCustomerRequest {
            parent: workspace.to_string(),
            organization_id: id.to_owned(),
            organization: Some(organization.clone()),
            email: self.email(&invitee)?,
            role: role_name(role, model, &home).map_err(text)?.to_string(),
            ..Default::default()
        };
        let actor = user_name(actor).map_err(text)?.to_string();
        let token = match self.installation.on_behalf_of(&actor).invitations().invite_customer(request).await {
            Ok(invited) => invited.into_inner().invitation.unwrap_or_default().token,
            Err(status) => return Ok(Err(status)),
        };
        for (state, next) in [(organization::State::Provisioning, Some(token)), (organization::State::Active, None)] {
            let request = GetOrganizationRequest { name: full(id) };
            let found = self.installation.platform().organizations().get_organization(request).await.map_err(said)?.into_inner();
            let is_as_said = (&found.display_name, &found.website, &found.location, &found.parent)
                == (&organization.display_name, &organization.website, &organization.location, &workspace.to_string());
            if !is_as_said || found.state() != state {
                return Err(format!("the customer is {found:?}"));
            }
            if let Some(token) = next {
                self.accept(&invitee, token).await?;
            }
        }
        Ok(Ok(()))
    }

    /// The name of the binding that is like this one.
    async fn held(&self, like: &RoleBinding) -> Result<String, String> {
        let request = ListRoleBindingsRequest {
            parent: organization_of(&like.node)?,
            node: like.node.clone(),
            principal: like.principal.clone(),
            page_size: 1000,
            ..Default::default()
        };
        let there = self.installation.platform().role_bindings().list_role_bindings(request).await.map_err(said)?.into_inner();
        let found = there.role_bindings.into_iter().find(|binding| binding.role == like.role);
        found.map(|binding| binding.name).ok_or_else(|| format!("{} does not hold {} at {}", like.principal, like.role, like.node))
    }
}

/// Messages of the role model have the shape of the document.
fn message<T: serde::de::DeserializeOwned>(part: impl serde::Serialize) -> Result<T, String> {
    serde_json::to_value(part).and_then(serde_json::from_value).map_err(text)
}

struct Changing<'a> {
    session: Session,
    world: &'a World,
    loaded: &'a Loaded,
}

/// What a call came to, as its token.
fn token<T>(answer: Result<Response<T>, Status>, revision: impl FnOnce(T) -> String) -> Result<Result<String, Status>, String> {
    Ok(answer.map(|answer| revision(answer.into_inner())))
}

/// `acme/roleBindings/b1` in full.
fn full(name: &str) -> String {
    if name.starts_with("organizations/") || name.starts_with("roleModels/") { name.to_owned() } else { format!("organizations/{name}") }
}

impl Changing<'_> {
    async fn change(&self, change: &Change) -> Result<Result<String, Status>, String> {
        match change {
            Change::AddBinding { organization, binding } => self.add_binding(organization, binding).await,
            Change::ChangeBinding { binding, role, components } => self.change_binding(binding, role.as_deref(), components.as_ref()).await,
            Change::RemoveBinding(name) => {
                let request = DeleteRoleBindingRequest { name: self.loaded.binding(&full(name)).to_owned(), ..Default::default() };
                token(self.session.role_bindings().delete_role_binding(request).await, |binding| binding.revision)
            }
            Change::EndPartnership(name) => {
                let request = DeletePartnershipRequest { name: full(name), ..Default::default() };
                token(self.session.partnerships().delete_partnership(request).await, |ended| ended.partnership.unwrap_or_default().revision)
            }
            Change::AcceptPartnership(name) => {
                let request = AcceptPartnershipRequest { name: full(name), ..Default::default() };
                token(self.session.partnerships().accept_partnership(request).await, |partnership| partnership.revision)
            }
            Change::PauseAccount(name) => {
                let request = PauseAccountRequest { name: full(name), ..Default::default() };
                token(self.session.accounts().pause_account(request).await, |account| account.revision)
            }
            Change::ResumeAccount(name) => {
                let request = ResumeAccountRequest { name: full(name), ..Default::default() };
                token(self.session.accounts().resume_account(request).await, |account| account.revision)
            }
            Change::AddWorkspace { organization, workspace } => {
                let draft = Workspace { display_name: workspace.id.clone(), ..Default::default() };
                let request = CreateWorkspaceRequest {
                    parent: full(organization),
                    workspace_id: workspace.id.clone(),
                    workspace: Some(draft),
                    ..Default::default()
                };
                token(self.session.workspaces().create_workspace(request).await, |workspace| workspace.revision)
            }
            Change::AddAccount { organization, account } => {
                let inside = if account.workspace.is_empty() {
                    String::new()
                } else {
                    format!("{}/workspaces/{}", full(organization), account.workspace)
                };
                let draft = Account { display_name: account.id.clone(), workspace: inside, ..Default::default() };
                let request = CreateAccountRequest {
                    parent: full(organization),
                    account_id: account.id.clone(),
                    account: Some(draft),
                    ..Default::default()
                };
                token(self.session.accounts().create_account(request).await, |account| account.revision)
            }
            Change::AddOrganization(organization) => self.add_organization(organization).await,
            Change::SetCeiling { node, components } => {
                let ceiling = Ceiling {
                    node: full(node),
                    set: components.is_some(),
                    components: components.iter().flatten().cloned().collect(),
                    ..Default::default()
                };
                let request = SetCeilingRequest { ceiling: Some(ceiling), ..Default::default() };
                token(self.session.ceilings().set_ceiling(request).await, |ceiling| ceiling.revision)
            }
            Change::SetAttributes { node, attributes } => {
                let attributes = attributes.iter().map(|(id, value)| (id.clone(), api::document::from_json(value))).collect();
                let request = UpdateResourceRequest {
                    resource: Some(Resource { name: full(node), attributes, ..Default::default() }),
                    ..Default::default()
                };
                token(self.session.resources().update_resource(request).await, |resource| resource.revision)
            }
            Change::EndResource(name) => {
                let request = DeleteResourceRequest { name: full(name), ..Default::default() };
                token(self.session.resources().delete_resource(request).await, |ended| ended.resource.unwrap_or_default().revision)
            }
            Change::SuspendNode(name) => {
                let request = SuspendOrganizationRequest { name: full(name), ..Default::default() };
                token(self.session.organizations().suspend_organization(request).await, |organization| organization.revision)
            }
            Change::RestoreNode(name) => {
                let request = ReactivateOrganizationRequest { name: full(name), ..Default::default() };
                token(self.session.organizations().reactivate_organization(request).await, |organization| organization.revision)
            }
            Change::DeleteNode(name) => self.delete_node(&full(name)).await,
            Change::SuspendUser(user) => {
                let request = SuspendUserRequest { name: user_name(user).map_err(text)?.to_string(), ..Default::default() };
                token(self.session.users().suspend_user(request).await, |suspended| suspended.user.unwrap_or_default().revision)
            }
            Change::ReactivateUser(user) => {
                let request = ReactivateUserRequest { name: user_name(user).map_err(text)?.to_string(), ..Default::default() };
                token(self.session.users().reactivate_user(request).await, |user| user.revision)
            }
            Change::AddMember(name) => {
                let name = full(name);
                let (parent, id) = name.split_once("/members/").ok_or("not a member's name")?;
                let request = CreateMemberRequest { parent: parent.to_owned(), user: format!("users/{id}"), ..Default::default() };
                token(self.session.members().create_member(request).await, |member| member.revision)
            }
            Change::SuspendMember(name) => self.set_member(name, member::State::Suspended).await,
            Change::ReactivateMember(name) => self.set_member(name, member::State::Active).await,
            Change::RemoveMember(name) => {
                let request = DeleteMemberRequest { name: full(name), ..Default::default() };
                token(self.session.members().delete_member(request).await, |removed| removed.member.unwrap_or_default().revision)
            }
            Change::RemoveFromGroup { group, member } => {
                let group = full(group);
                let home = node_name(&organization_of_group(&group), None).map_err(text)?;
                let member = principal(member, Some(&home)).map_err(text)?.to_string();
                let request = RemoveGroupMemberRequest { group, member, ..Default::default() };
                token(self.session.groups().remove_group_member(request).await, |member| member.revision)
            }
            Change::AddCustomRole { organization, role } => {
                let draft =
                    Role { title: role.id.clone(), held_at: role.held_at.clone(), grants: grants(&role.grants)?, ..Default::default() };
                let request =
                    CreateRoleRequest { parent: full(organization), role_id: role.id.clone(), role: Some(draft), ..Default::default() };
                token(self.session.roles().create_role(request).await, |role| role.revision)
            }
            Change::UpdateCustomRole { role, grants: given } => {
                let draft = Role { name: full(role), grants: grants(given)?, ..Default::default() };
                let request = UpdateRoleRequest { role: Some(draft), ..Default::default() };
                token(self.session.roles().update_role(request).await, |role| role.revision)
            }
            Change::DeleteRole(name) => {
                let request = DeleteRoleRequest { name: full(name), ..Default::default() };
                token(self.session.roles().delete_role(request).await, |role| role.revision)
            }
        }
    }

    async fn add_binding(&self, organization: &str, binding: &WorldBinding) -> Result<Result<String, Status>, String> {
        let home = node_name(organization, None).map_err(text)?;
        let model = self.world.model_of(home.id()).ok_or("the world has no such organization")?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_err(text)?;
        let record = binding_record(binding, model, &home, Timestamp(now.as_micros() as i64)).map_err(text)?;
        let request = create_role_binding(&record).map_err(text)?;
        token(self.session.role_bindings().create_role_binding(request).await, |binding| binding.revision)
    }

    async fn change_binding(
        &self,
        name: &str,
        role: Option<&str>,
        components: Option<&BTreeMap<String, Level>>,
    ) -> Result<Result<String, Status>, String> {
        let name = full(name);
        let home = node_name(name.split("/roleBindings/").next().unwrap_or_default(), None).map_err(text)?;
        let model = self.world.model_of(home.id()).ok_or("the world has no such organization")?;
        let role = role.map(|role| role_name(role, model, &home).map_err(text)).transpose()?;
        let draft = RoleBinding {
            name: self.loaded.binding(&name).to_owned(),
            role: role.map(|role| role.to_string()).unwrap_or_default(),
            components: components.map(levels_message),
            ..Default::default()
        };
        let request = UpdateRoleBindingRequest { role_binding: Some(draft), ..Default::default() };
        token(self.session.role_bindings().update_role_binding(request).await, |binding| binding.revision)
    }

    async fn add_organization(&self, organization: &WorldOrganization) -> Result<Result<String, Status>, String> {
        let draft = Organization {
            display_name: organization.display_name.clone().unwrap_or_else(|| organization.id.clone()),
            website: organization.website.clone(),
            location: organization.location.clone(),
            parent: if organization.parent.is_empty() { String::new() } else { full(&organization.parent) },
            role_model: if organization.model.is_empty() { String::new() } else { format!("roleModels/{}", organization.model) },
            ..Default::default()
        };
        let request =
            CreateOrganizationRequest { organization_id: organization.id.clone(), organization: Some(draft), ..Default::default() };
        let created = token(self.session.organizations().create_organization(request).await, |organization| organization.revision)?;
        match (&created, &organization.ceiling) {
            (Ok(_), Some(components)) => {
                let components = components.iter().cloned().collect();
                let ceiling = Ceiling { node: full(&organization.id), set: true, components, ..Default::default() };
                let request = SetCeilingRequest { ceiling: Some(ceiling), ..Default::default() };
                token(self.session.ceilings().set_ceiling(request).await, |ceiling| ceiling.revision)
            }
            _ => Ok(created),
        }
    }

    async fn delete_node(&self, name: &str) -> Result<Result<String, Status>, String> {
        let name = name.to_owned();
        match NodeName::parse(&name).map_err(text)?.kind() {
            NodeKind::Organization => {
                let request = DeleteOrganizationRequest { name, force: true, ..Default::default() };
                token(self.session.organizations().delete_organization(request).await, |organization| organization.revision)
            }
            NodeKind::Workspace => {
                let request = DeleteWorkspaceRequest { name, force: true, ..Default::default() };
                token(self.session.workspaces().delete_workspace(request).await, |workspace| workspace.revision)
            }
            NodeKind::Account => {
                let request = DeleteAccountRequest { name, force: true, ..Default::default() };
                token(self.session.accounts().delete_account(request).await, |account| account.revision)
            }
            NodeKind::Leaf { .. } => Err("a leaf is ended, not deleted".to_owned()),
        }
    }

    async fn set_member(&self, name: &str, state: member::State) -> Result<Result<String, Status>, String> {
        let member = Member { name: full(name), state: state.into(), ..Default::default() };
        let request = UpdateMemberRequest { member: Some(member), ..Default::default() };
        token(self.session.members().update_member(request).await, |member| member.revision)
    }
}

fn organization_of_group(group: &str) -> String {
    group.split("/groups/").next().unwrap_or_default().to_owned()
}

fn grants(given: &[Grant]) -> Result<Vec<api::rolecatalog::v1::role_model_document::Grant>, String> {
    given.iter().map(|grant| grant_message("grant", grant).map_err(text)).collect()
}
