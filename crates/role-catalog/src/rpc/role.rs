//! The service of roles.

use std::time::Duration;

use api::{
    authz::v1 as authz,
    error::v1::Reason,
    rolecatalog::v1::{
        self as proto, CreateRoleRequest, DeleteRoleRequest, GetRoleRequest, ListRolesRequest, ListRolesResponse, UpdateRoleRequest,
        role_service_server::RoleService,
    },
};
use client::guard::{Ask, define_role, delete_role, permission};
use decision::name::{NodeName, RoleName, RoleOwner};
use prost::Message;
use sea_orm::ConnectionTrait;
use service::{
    call::{Page, WriteCall},
    change::{Change, Opened},
    fields::Etag,
};
use tonic::{Request, Response, Status, async_trait};
use tonic_types::StatusExt;

use super::kind;
use crate::{
    RoleCatalog, feed,
    role::{CustomRole, CustomRoleName, MAX_ROLES, Role, SystemRole, allowed, system_roles},
    role_model::RoleModelName,
    status::Error,
    store::{self, role::Filter},
    wire::{
        Parent,
        role::{RoleFilter, read_create, read_delete, read_get, read_list, read_update, write, write_custom},
    },
};

/// A page ends early when it has so many bytes: clients accept answers of 4 MiB.
const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// How often an update is begun anew because others have changed the role meanwhile; then the client is told to try again.
const MAX_ATTEMPTS: usize = 5;
const RETRY_AFTER: Duration = Duration::from_millis(250);

#[async_trait]
impl RoleService for RoleCatalog {
    async fn create_role(&self, request: Request<CreateRoleRequest>) -> Result<Response<proto::Role>, Status> {
        let (call, draft) = read_create(&request)?;
        let role = CustomRole::new(draft, self.service.now());
        let mut change = match self.open_definition(&call, &role, "roles.create").await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        make_room(&change, &role.name).await?;
        self.fits(change.connection(), change.granted(), &role).await?;
        let role = CustomRole { create_time: change.now(), update_time: change.now(), ..role };
        store::role::insert(change.connection(), &role).await.map_err(Error::from)?;
        change.put(feed::custom_role(&role)?);
        change.audit("roles.create", role.name.as_str(), None, Some(role.audited()));
        change.answer(write_custom(&role)?).await
    }

    async fn get_role(&self, request: Request<GetRoleRequest>) -> Result<Response<proto::Role>, Status> {
        let (call, name) = read_get(&request)?;
        let role = match name.owner() {
            RoleOwner::Model(model) => {
                let model = RoleModelName::of_id(model);
                self.permit_known(&call, &model).await?;
                Role::System(self.system_role(&model, &name).await?)
            }
            RoleOwner::Organization(organization) => {
                self.permit_roles(&call, &organization).await?;
                Role::Custom(self.custom_role(&name).await?)
            }
        };
        Ok(Response::new(proto::Role { revision: self.service.head().await?, ..write(&role)? }))
    }

    async fn list_roles(&self, request: Request<ListRolesRequest>) -> Result<Response<ListRolesResponse>, Status> {
        let (call, page, filter) = read_list(&self.service, &request)?;
        let system = match &filter.parent {
            Parent::RoleModel(name) => {
                self.permit_known(&call, name).await?;
                system_roles(&*self.latest(name).await?)
            }
            Parent::Organization(organization) => {
                let permit = self.permit_roles(&call, organization).await?;
                system_roles(&*self.pinned(self.service.ledger().reader(), permit.granted()).await?)
            }
        };
        let (mut roles, last) = cut(self.next_roles(&filter, &page, system).await?, page.size)?;
        let next_page_token = self.service.next_page(&page, last.as_deref());
        let revision = self.service.head().await?;
        roles.iter_mut().for_each(|role| role.revision.clone_from(&revision));
        Ok(Response::new(ListRolesResponse { roles, next_page_token, revision }))
    }

    async fn update_role(&self, request: Request<UpdateRoleRequest>) -> Result<Response<proto::Role>, Status> {
        let (call, name, revised, etag) = read_update(&request)?;
        for _ in 0..MAX_ATTEMPTS {
            // What the permit is for is the whole role as it shall be, and so depends on how it is now; whether it still is shows below.
            let seen = store::role::find(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
            let opened = match seen.as_ref().filter(|seen| !seen.deleted) {
                Some(seen) => self.open_definition(&call, &seen.revised(&revised, self.service.now()), "roles.update").await?,
                // Whether there is such a role is said to those only who might change it.
                None => {
                    let organization = name.organization().as_str();
                    self.service.open(&call, Ask::writing(organization).to(permission("roles.update", organization))).await?
                }
            };
            let mut change = match opened {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            let before = present(&change, &name, etag).await?;
            if seen.is_none_or(|seen| seen.version != before.version) {
                continue;
            }
            let after = before.revised(&revised, change.now());
            self.fits(change.connection(), change.granted(), &after).await?;
            store::role::update(change.connection(), &after).await.map_err(Error::from)?;
            change.put(feed::custom_role(&after)?);
            change.audit("roles.update", name.as_str(), Some(before.audited()), Some(after.audited()));
            return change.answer(write_custom(&after)?).await;
        }
        Err(Error::Ledger(ledger::Error::Busy { retry_after: RETRY_AFTER }).into())
    }

    async fn delete_role(&self, request: Request<DeleteRoleRequest>) -> Result<Response<proto::Role>, Status> {
        let (call, name, etag) = read_delete(&request)?;
        let ask = Ask::writing(name.organization().as_str()).to(delete_role(name.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = present(&change, &name, etag).await?;
        let bindings = change.terms(0).ok_or(Error::IncompletePermit("the terms of deleting"))?.bindings_in_use;
        if bindings > 0 {
            return Err(Error::InUse { name: name.to_string(), bindings }.into());
        }
        let after = before.ended(change.now());
        store::role::update(change.connection(), &after).await.map_err(Error::from)?;
        change.delete(name.as_str());
        change.audit("roles.delete", name.as_str(), Some(before.audited()), Some(after.audited()));
        change.answer(write_custom(&after)?).await
    }
}

impl RoleCatalog {
    /// Opens a write that defines a role. Authz says only the first thing that the role model does not allow; here the client gets all.
    async fn open_definition(&self, call: &WriteCall, role: &CustomRole, action: &str) -> Result<Opened<proto::Role>, Status> {
        let organization = role.name.organization().as_str();
        let ask = Ask::writing(organization).to(define_role(feed::custom_role(role)?));
        let refusal = match self.service.open(call, ask).await {
            Err(status) if is_invalid_role(&status) => status,
            opened => return opened,
        };
        let permit = self.service.permit(&call.call, Ask::writing(organization).to(permission(action, organization))).await?;
        self.fits(self.service.ledger().reader(), permit.granted(), role).await?;
        Err(refusal)
    }

    /// Whether the role model of the permit's tree allows the role there.
    async fn fits(&self, db: &impl ConnectionTrait, permit: &authz::Permit, role: &CustomRole) -> Result<(), Error> {
        let revision = self.pinned(db, permit).await?;
        allowed(&revision.document, kind(permit)?, &role.held_at, &role.grants)
    }

    async fn custom_role(&self, name: &RoleName) -> Result<CustomRole, Error> {
        let name = CustomRoleName::parse(name.as_str()).map_err(|_| Error::not_found(name))?;
        store::role::find(self.service.ledger().reader(), &name).await?.ok_or_else(|| Error::not_found(name))
    }

    async fn system_role(&self, model: &RoleModelName, name: &RoleName) -> Result<SystemRole, Error> {
        let Some(latest) = self.revisions.latest(self.service.ledger().reader(), model).await? else {
            return Err(Error::not_found(name));
        };
        system_roles(&latest).into_iter().find(|role| role.name == *name).ok_or_else(|| Error::not_found(name))
    }

    /// What comes after the page before, one more than the page may have: custom roles, then system roles. That is the order of their names,
    /// since `organizations` comes before `roleModels`.
    async fn next_roles(&self, filter: &RoleFilter, page: &Page, system: Vec<SystemRole>) -> Result<Vec<Role>, Error> {
        let after = page.after.as_deref();
        let wanted = page.size + 1;
        let mut roles = Vec::new();
        if let Parent::Organization(organization) = &filter.parent {
            let rows = Filter { organization, held_at: filter.held_at.as_deref(), with_deleted: filter.with_deleted };
            let custom = store::role::page(self.service.ledger().reader(), rows, after, wanted as u64).await?;
            roles.extend(custom.into_iter().map(Role::Custom));
        }
        let listed = system
            .into_iter()
            .filter(|role| after.is_none_or(|after| role.name.as_str() > after))
            .filter(|role| filter.held_at.as_ref().is_none_or(|held_at| role.rules.held_at == *held_at));
        let room = wanted - roles.len();
        roles.extend(listed.take(room).map(Role::System));
        Ok(roles)
    }
}

/// As many as a page may have, by number and by bytes; and the name of the last of them if there are more.
fn cut(roles: Vec<Role>, size: usize) -> Result<(Vec<proto::Role>, Option<String>), Error> {
    let found = roles.len();
    let mut page: Vec<proto::Role> = Vec::new();
    let mut bytes = 0;
    for role in roles.iter().take(size) {
        let role = write(role)?;
        bytes += role.encoded_len();
        if bytes > MAX_PAGE_BYTES && !page.is_empty() {
            break;
        }
        page.push(role);
    }
    let last = page.last().filter(|_| page.len() < found).map(|role| role.name.clone());
    Ok((page, last))
}

/// The role, as the client has seen it. The tree is locked.
async fn present(change: &Change, name: &CustomRoleName, etag: Etag) -> Result<CustomRole, Error> {
    let role = store::role::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name))?;
    role.expect(etag)?;
    Ok(role)
}

/// Whether the name is free and the organization may have one more. The tree is locked.
async fn make_room(change: &Change, name: &CustomRoleName) -> Result<(), Error> {
    if store::role::find(change.connection(), name).await?.is_some() {
        return Err(Error::AlreadyExists { name: name.to_string() });
    }
    let organization: &NodeName = name.organization();
    if store::role::count(change.connection(), organization).await? >= MAX_ROLES {
        return Err(Error::TooManyRoles { organization: organization.to_string(), limit: MAX_ROLES });
    }
    Ok(())
}

fn is_invalid_role(status: &Status) -> bool {
    let reason = Reason::InvalidRole.as_str_name().trim_start_matches("REASON_");
    status.get_details_error_info().is_some_and(|info| info.reason == reason)
}
