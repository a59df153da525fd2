//! The handlers of role bindings.

use api::{
    authz::v1::{self as authz, Requirement},
    directory::v1::{self as proto, role_binding_service_server::RoleBindingService},
};
use client::guard::{self, Ask, any_of, myself, permission};
use decision::name::BindingName;
use service::{
    call::Call,
    change::{Answer, Change, Opened},
    fields::Etag,
};
use tonic::{Code, Request, Response, Status, async_trait};

use super::{ATTEMPTS, outrun};
use crate::{
    Directory,
    assign::{self, Seat},
    assignable::{self, Kept, Offer},
    feed,
    invariants::role_terms,
    role_binding::RoleBinding,
    status::Error,
    store,
    wire::role_binding::{self as wire, Amendment},
};

#[async_trait]
impl RoleBindingService for Directory {
    async fn create_role_binding(&self, request: Request<proto::CreateRoleBindingRequest>) -> Result<Response<proto::RoleBinding>, Status> {
        let (call, draft) = wire::read_create(&request)?;
        let ask = Ask::writing(draft.name.organization().as_str()).to(guard::assign(feed::assignment(&draft.assigned)));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let terms = role_terms(change.terms(0))?;
        let binding = RoleBinding::new(draft.name, draft.assigned, change.now());
        let binding = assign::give(&mut change, binding, &terms, Seat::Free).await?;
        change.answer(wire::write(&binding)).await
    }

    async fn get_role_binding(&self, request: Request<proto::GetRoleBindingRequest>) -> Result<Response<proto::RoleBinding>, Status> {
        let (call, name) = wire::read_get(&request)?;
        let missing = permission("access.get", name.organization().as_str());
        let binding = self.binding_seen(&call, &name, missing).await?;
        let may_see = permission("access.get", binding.assigned.node.as_str());
        let may_see = match binding.assigned.user() {
            Some(user) => any_of([may_see, myself(user.as_str())]),
            None => may_see,
        };
        self.service.permit(&call, Ask::writing(name.organization().as_str()).to(may_see)).await?;
        let mut answer = wire::write(&binding);
        answer.stamp(&self.service.head().await?);
        Ok(Response::new(answer))
    }

    async fn list_role_bindings(
        &self,
        request: Request<proto::ListRoleBindingsRequest>,
    ) -> Result<Response<proto::ListRoleBindingsResponse>, Status> {
        let (call, page, filter) = wire::read_list(&self.service, &request)?;
        let node = filter.node.as_ref().unwrap_or(&filter.organization);
        self.service.permit(&call, Ask::writing(filter.organization.as_str()).to(permission("access.get", node.as_str()))).await?;
        let limit = page.size as u64 + 1;
        let mut found =
            store::role_binding::page(self.service.ledger().reader(), &filter, page.after.as_deref(), limit).await.map_err(Error::from)?;
        let more = found.len() > page.size;
        found.truncate(page.size);
        let last = found.last().filter(|_| more).map(|binding| filter.position(binding));
        let next_page_token = self.service.next_page(&page, last.as_deref());
        let revision = self.service.head().await?;
        let role_bindings = found.iter().map(|row| proto::RoleBinding { revision: revision.clone(), ..wire::write(row) }).collect();
        Ok(Response::new(proto::ListRoleBindingsResponse { role_bindings, next_page_token, revision }))
    }

    async fn list_assignable_roles(
        &self,
        request: Request<proto::ListAssignableRolesRequest>,
    ) -> Result<Response<proto::ListAssignableRolesResponse>, Status> {
        let (call, offer) = wire::read_list_assignable(&request)?;
        let asked = authz::ListAssignableRolesRequest {
            actor: call.actor.clone(),
            node: offer.node.to_string(),
            principal: offer.principal.as_ref().map(ToString::to_string).unwrap_or_default(),
            sponsor: offer.sponsor.as_ref().map(ToString::to_string).unwrap_or_default(),
            invite: offer.invite,
            at_least_as_fresh: self.service.head().await?,
        };
        let said = self.service.guard().list_assignable_roles(asked, call.deadline.instant()).await?;
        let membership = said.membership.ok_or(Error::IncompletePermit("the terms of membership"))?;
        let kept = self.kept(&call, &offer).await?;
        let (db, now) = (self.service.ledger().reader(), self.service.now());
        let listed = assignable::judged(db, &offer, said.roles, &membership, &kept, now).await?;
        let roles = listed.into_iter().map(wire::write_assignable).collect();
        Ok(Response::new(proto::ListAssignableRolesResponse { roles, revision: self.service.head().await? }))
    }

    async fn update_role_binding(&self, request: Request<proto::UpdateRoleBindingRequest>) -> Result<Response<proto::RoleBinding>, Status> {
        let (call, Amendment { name, change: wanted, etag }) = wire::read_update(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let seen = self.binding_seen(&call.call, &name, guard::revoke(name.as_str())).await?;
            let assigned = seen.assigned.changed(&wanted);
            let ask = Ask::writing(name.organization().as_str()).to(guard::change(name.as_str(), feed::assignment(&assigned)));
            let mut change = match self.service.open(&call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            let present = present(&change, &name, etag).await?;
            if present != seen {
                continue;
            }
            let terms = role_terms(change.terms(0))?;
            let after = assign::reassign(&mut change, &present, assigned, &terms, Seat::Free).await?;
            return change.answer(wire::write(&after)).await;
        }
        Err(outrun())
    }

    async fn delete_role_binding(&self, request: Request<proto::DeleteRoleBindingRequest>) -> Result<Response<proto::RoleBinding>, Status> {
        let (call, name, etag) = wire::read_delete(&request)?;
        let ask = Ask::writing(name.organization().as_str()).to(guard::revoke(name.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let present = present(&change, &name, etag).await?;
        assign::revoke(&mut change, &present).await?;
        change.answer(wire::write(&present)).await
    }

    async fn batch_create_role_bindings(
        &self,
        request: Request<proto::BatchCreateRoleBindingsRequest>,
    ) -> Result<Response<proto::BatchCreateRoleBindingsResponse>, Status> {
        let (call, organization, drafts) = wire::read_batch_create(&request)?;
        self.assign_all(&call, &organization, drafts).await
    }

    async fn batch_update_role_bindings(
        &self,
        request: Request<proto::BatchUpdateRoleBindingsRequest>,
    ) -> Result<Response<proto::BatchUpdateRoleBindingsResponse>, Status> {
        let (call, organization, amendments) = wire::read_batch_update(&request)?;
        self.amend_all(&call, &organization, &amendments).await
    }

    async fn batch_delete_role_bindings(
        &self,
        request: Request<proto::BatchDeleteRoleBindingsRequest>,
    ) -> Result<Response<proto::BatchDeleteRoleBindingsResponse>, Status> {
        let (call, organization, revocations) = wire::read_batch_delete(&request)?;
        self.revoke_all(&call, &organization, &revocations).await
    }
}

/// A binding as it is under the lock.
pub(super) async fn present(change: &Change, name: &BindingName, etag: Etag) -> Result<RoleBinding, Error> {
    let present = store::role_binding::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    present.expect(etag)?;
    Ok(present)
}

impl Directory {
    /// What the invitee holds there that the actor has no authority over: an invitation cannot take its place.
    async fn kept(&self, call: &Call, offer: &Offer) -> Result<Kept, Status> {
        let mut kept = Kept::new();
        let Some(principal) = offer.principal.as_ref().filter(|_| offer.invite) else { return Ok(kept) };
        let theirs = store::role_binding::of_principal_at(self.service.ledger().reader(), principal, &offer.node).await;
        for binding in theirs.map_err(Error::from)? {
            let ask = Ask::writing(binding.name.organization().as_str()).to(guard::revoke(binding.name.as_str()));
            match self.service.permit(call, ask).await {
                Err(status) if status.code() == Code::PermissionDenied => drop(kept.insert(binding.name.to_string(), status)),
                asked => drop(asked?),
            }
        }
        Ok(kept)
    }

    /// A binding as it is now. That it is missing is said only to those to whom this is granted, and refused to others as if it were there.
    pub(super) async fn binding_seen(&self, call: &Call, name: &BindingName, needed: Requirement) -> Result<RoleBinding, Status> {
        if let Some(binding) = store::role_binding::find(self.service.ledger().reader(), name).await.map_err(Error::from)? {
            return Ok(binding);
        }
        self.service.permit(call, Ask::writing(name.organization().as_str()).to(needed)).await?;
        Err(Error::not_found(name.as_str()).into())
    }
}
