//! The service of organizations.

use api::{
    authz::v1::Requirement,
    directory::v1::{
        self as proto, CreateOrganizationRequest, DeleteOrganizationRequest, GetOrganizationRequest, ListOrganizationsRequest,
        ListOrganizationsResponse, ReactivateOrganizationRequest, SuspendOrganizationRequest, UpdateOrganizationRequest,
        organization_service_server::OrganizationService,
    },
};
use client::guard::{self, Ask, any_of, permission, platform};
use decision::name::{NodeName, Principal};
use ledger::{Ledger, StoreError};
use service::{
    change::{Change, Opened},
    fields::Etag,
    listing::{Rows, Standing},
};
use tonic::{Request, Response, Status, async_trait};

use super::{ATTEMPTS, nothing_below, open_below, outrun};
use crate::{
    Directory,
    assign::{self, Seat},
    deletion, feed, invariants, invitation,
    member::Member,
    organization::{Holder, Organization, OrganizationDraft, Pinned, Place},
    role_binding::{Assignment, RoleBinding},
    status::Error,
    store::{self, organization::OrganizationFilter},
    wire::{self, organization::write},
};

/// Of the requirements of [`OrganizationService::create_organization`]'s permit, the first that is of a holder.
const FIRST_HOLDER: usize = 1;

#[async_trait]
impl OrganizationService for Directory {
    async fn create_organization(&self, request: Request<CreateOrganizationRequest>) -> Result<Response<proto::Organization>, Status> {
        let (call, draft) = wire::organization::read_create(&request)?;
        let ask = self.ask_to_create(&draft)?;
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let organization = create(&mut change, draft, false).await?;
        change.answer(write(&organization)).await
    }

    async fn get_organization(&self, request: Request<GetOrganizationRequest>) -> Result<Response<proto::Organization>, Status> {
        let (call, name) = wire::organization::read_get(&request)?;
        self.service.permit(&call, Ask::writing(name.as_str()).to(permission("organization.get", name.as_str()))).await?;
        let organization = store::organization::find(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
        let organization = organization.ok_or_else(|| Error::not_found(name.as_str()))?;
        Ok(Response::new(proto::Organization { revision: self.service.head().await?, ..write(&organization) }))
    }

    async fn list_organizations(&self, request: Request<ListOrganizationsRequest>) -> Result<Response<ListOrganizationsResponse>, Status> {
        let (call, page, filter) = wire::organization::read_list(&self.service, &request)?;
        let listed = match &filter.workspace {
            None => {
                // Of no tree: what is written is never locked, for nothing is.
                self.service.permit(&call, Ask::writing(call.actor.as_str()).to(platform())).await?;
                self.service.list(&page, &filter).await?
            }
            Some(workspace) => {
                let workspace = workspace.as_str();
                self.service.permit(&call, Ask::writing(workspace).to(permission("workspaces.get", workspace))).await?;
                self.service.list_permitted(&call, &page, "organization.get", Standing::Entitled, &filter).await?
            }
        };
        let organizations = listed.rows.iter().map(|row| proto::Organization { revision: listed.revision.clone(), ..write(row) }).collect();
        Ok(Response::new(ListOrganizationsResponse { organizations, next_page_token: listed.next_page_token, revision: listed.revision }))
    }

    async fn update_organization(&self, request: Request<UpdateOrganizationRequest>) -> Result<Response<proto::Organization>, Status> {
        let (call, name, wanted, etag) = wire::organization::read_update(&request)?;
        let ask = Ask::writing(name.as_str()).to(permission("organization.update", name.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = present(&change, &name, etag).await?;
        let after = before.changed(wanted, change.now());
        store::organization::update(change.connection(), &after).await.map_err(Error::from)?;
        change.audit("organization.update", name.as_str(), Some(before.audited()), Some(after.audited()));
        change.answer(write(&after)).await
    }

    async fn delete_organization(&self, request: Request<DeleteOrganizationRequest>) -> Result<Response<proto::Organization>, Status> {
        let (call, target, force) = wire::organization::read_delete(&request)?;
        let name = target.name.as_str();
        let ask = Ask::writing(name).to(permission("organization.delete", name));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = present(&change, &target.name, target.etag).await?;
        nothing_below(&change, &target.name, force).await?;
        invitation::end_at_or_below(&mut change, &target.name).await?;
        let after = before.ended(change.now(), change.now() + self.retention);
        deletion::keep(&change, &after.name, after.purge_time).await?;
        replace(change, "organization.delete", &before, &after).await
    }

    async fn suspend_organization(&self, request: Request<SuspendOrganizationRequest>) -> Result<Response<proto::Organization>, Status> {
        let (call, target) = wire::organization::read_suspend(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let parent = self.parent_seen(&target.name).await?;
            let ask = Ask::writing(target.name.as_str()).to(above(parent.as_ref(), "organization.suspend"));
            let change = match self.service.open(&call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            let before = present(&change, &target.name, target.etag).await?;
            if before.parent != parent {
                continue;
            }
            let after = before.suspended(change.now())?;
            return replace(change, "organization.suspend", &before, &after).await;
        }
        Err(outrun())
    }

    async fn reactivate_organization(
        &self,
        request: Request<ReactivateOrganizationRequest>,
    ) -> Result<Response<proto::Organization>, Status> {
        let (call, target) = wire::organization::read_reactivate(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let parent = self.parent_seen(&target.name).await?;
            let ask = Ask::writing(target.name.as_str()).to(above(parent.as_ref(), "organization.suspend"));
            let change = match self.service.open(&call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            let before = present(&change, &target.name, target.etag).await?;
            if before.parent != parent {
                continue;
            }
            let after = before.reactivated(change.now())?;
            return replace(change, "organization.reactivate", &before, &after).await;
        }
        Err(outrun())
    }

    async fn undelete_organization(
        &self,
        request: Request<proto::UndeleteOrganizationRequest>,
    ) -> Result<Response<proto::Organization>, Status> {
        super::undelete::organization(self, request).await
    }

    async fn move_organization(
        &self,
        request: Request<proto::MoveOrganizationRequest>,
    ) -> Result<Response<proto::MoveOrganizationResponse>, Status> {
        super::moves::move_organization(self, request).await
    }

    async fn preview_move_organization(
        &self,
        request: Request<proto::PreviewMoveOrganizationRequest>,
    ) -> Result<Response<proto::PreviewMoveOrganizationResponse>, Status> {
        super::moves::preview_organization(self, request).await
    }

    async fn consent_to_move(&self, request: Request<proto::ConsentToMoveRequest>) -> Result<Response<proto::MoveConsent>, Status> {
        super::moves::consent_to_move(self, request).await
    }

    async fn revoke_consent_to_move(
        &self,
        request: Request<proto::RevokeConsentToMoveRequest>,
    ) -> Result<Response<proto::MoveConsent>, Status> {
        super::moves::revoke_consent_to_move(self, request).await
    }

    async fn change_organization_kind(
        &self,
        request: Request<proto::ChangeOrganizationKindRequest>,
    ) -> Result<Response<proto::Organization>, Status> {
        super::kind::change(self, request).await
    }

    async fn preview_organization_kind(
        &self,
        request: Request<proto::PreviewOrganizationKindRequest>,
    ) -> Result<Response<proto::PreviewOrganizationKindResponse>, Status> {
        super::kind::preview(self, request).await
    }
}

impl Directory {
    /// For a root the platform alone, for a customer whoever may attach one to the workspace; and somebody who may give the holders their
    /// roles, as if the organization were there and they its members.
    pub(super) fn ask_to_create(&self, draft: &OrganizationDraft) -> Result<Ask, Error> {
        let kind = draft.kind.as_str();
        let mut ask = match &draft.place {
            Place::Root { model } => Ask::writing(draft.name.as_str()).to(platform()).given(feed::root_to_be(&draft.name, kind, model)),
            Place::Customer { workspace } => Ask::writing(workspace.as_str())
                .to(permission("organization.attach_customer", workspace.as_str()))
                .given(feed::customer_to_be(&draft.name, kind, workspace)),
        };
        for Holder { user, role } in &draft.holders {
            let assigned = Assignment::plain(Principal::User(user.clone()), role.clone(), draft.name.clone());
            let member = Member::new(assign::membership_of(&draft.name, user)?, user.clone(), self.service.now());
            ask = ask.to(guard::assign(feed::assignment(&assigned))).given(feed::member(&member));
        }
        Ok(ask)
    }

    /// The workspace that an organization is a customer of, as of now: whom to ask what is decided above it depends on that, and it may be another
    /// one by the time that the tree is locked. One that does not exist is the platform's, as a root, so that it looks to everybody else like one
    /// that is none of their business.
    pub(super) async fn parent_seen(&self, name: &NodeName) -> Result<Option<NodeName>, Error> {
        let organization = store::organization::find(self.service.ledger().reader(), name).await?;
        Ok(organization.and_then(|organization| organization.parent))
    }
}

/// A permission on a customer's workspace, or to be the platform; the platform alone for a root. To be the platform comes first: a refusal says what
/// the first alternative lacks, and must not tell a customer from a root or from what does not exist.
pub(super) fn above(workspace: Option<&NodeName>, needed: &str) -> Requirement {
    match workspace {
        Some(workspace) => any_of([platform(), permission(needed, workspace.as_str())]),
        None => platform(),
    }
}

/// Creates an organization with its holders; `awaiting_acceptance`: it is in use only once somebody has accepted an invitation to it.
pub(super) async fn create(change: &mut Change, draft: OrganizationDraft, awaiting_acceptance: bool) -> Result<Organization, Error> {
    let OrganizationDraft { name, kind, profile, place, holders } = draft;
    if store::organization::find(change.connection(), &name).await?.is_some() {
        return Err(Error::AlreadyExists { name: name.to_string() });
    }
    let (parent, root, pinned) = match place {
        Place::Root { model } => {
            // Authz has looked the model up and tells its latest revision.
            let pinned = Pinned { model, revision: change.granted().role_model_revision };
            if pinned.revision == 0 || change.granted().role_model != pinned.role_model() {
                return Err(Error::IncompletePermit("the revision of the role model"));
            }
            (None, name.clone(), pinned)
        }
        Place::Customer { workspace } => {
            open_below(change, &workspace).await?;
            let agency = assign::live_organization(change, &workspace.organization()).await?;
            (Some(workspace), agency.root, agency.pinned)
        }
    };
    let mut organization = Organization {
        name,
        kind,
        profile,
        parent,
        root,
        pinned,
        provisioning: false,
        awaiting_acceptance,
        needs_owner: false,
        suspended: false,
        deleted: false,
        delete_time: None,
        purge_time: None,
        ceiling: None,
        create_time: change.now(),
        update_time: change.now(),
        version: 1,
    };
    organization.provisioning = !invariants::is_complete(change.connection(), &organization, &change.granted().required_roles).await?;
    store::organization::insert(change.connection(), &organization).await?;
    change.put(feed::organization(&organization));
    change.audit("organization.create", organization.name.as_str(), None, Some(organization.audited()));
    if holders.is_empty() {
        return Ok(organization);
    }
    take_in(change, &organization.name, &holders).await?;
    // The last of the holders may have activated it.
    assign::live_organization(change, &organization.name).await
}

/// Makes the holders members, and gives them their roles. Whoever gets no organization role gets the default one too.
async fn take_in(change: &mut Change, organization: &NodeName, holders: &[Holder]) -> Result<(), Error> {
    let membership = invariants::membership_terms(change)?;
    for (at, Holder { user, role }) in holders.iter().enumerate() {
        if !store::user::holds(change.connection(), user).await? {
            return Err(Error::not_found(user.as_str()));
        }
        if !holders.iter().take(at).any(|earlier| earlier.user == *user) {
            let gets_one = holders
                .iter()
                .any(|holder| holder.user == *user && membership.organization_roles.iter().any(|role| role == holder.role.as_str()));
            assign::join(change, organization, user, &membership, !gets_one).await?;
        }
        let terms = invariants::role_terms(change.terms(FIRST_HOLDER + at))?;
        let assigned = Assignment::plain(Principal::User(user.clone()), role.clone(), organization.clone());
        let binding = RoleBinding::new(assign::new_binding_name(organization)?, assigned, change.now());
        assign::give(change, binding, &terms, Seat::Free).await?;
    }
    Ok(())
}

/// The organization as it is, if it is as the client has seen it and can be changed.
pub(super) async fn present(change: &Change, name: &NodeName, etag: Etag) -> Result<Organization, Error> {
    let organization = store::organization::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    organization.expect(etag)?;
    Ok(organization)
}

/// Another state that decisions are made from. What is below is closed by it alone.
pub(super) async fn replace(
    mut change: Change,
    action: &str,
    before: &Organization,
    after: &Organization,
) -> Result<Response<proto::Organization>, Status> {
    store::organization::update(change.connection(), after).await.map_err(Error::from)?;
    change.put(feed::organization(after));
    change.audit(action, after.name.as_str(), Some(before.audited()), Some(after.audited()));
    change.answer(write(after)).await
}

impl Rows for OrganizationFilter {
    type Row = Organization;

    async fn fetch(&self, ledger: &Ledger, after: Option<&str>, limit: u64) -> Result<Vec<Organization>, StoreError> {
        store::organization::page(ledger.reader(), self, after, limit).await
    }

    fn key(row: &Organization) -> &str {
        row.name.as_str()
    }

    fn position(&self, row: &Organization) -> String {
        Self::position(self, row)
    }
}
