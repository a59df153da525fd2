//! Moves of accounts and organizations, what they would come to, and consents to them: methods of the services of both.

use api::directory::v1 as proto;
use client::guard::{Ask, move_node, permission, platform};
use decision::name::{NodeName, UserName};
use service::{call::Call, change::Opened};
use tonic::{Request, Response, Status};

use super::{ATTEMPTS, PREVIEWED, organization::above, outrun};
use crate::{
    Directory,
    account::Account,
    consent, feed, invariants,
    moves::{self, MoveDraft, OrganizationMove},
    status::Error,
    store::{self, holders::Users},
    wire::moves as wire,
};

const ATTACH: &str = "organization.attach_customer";

pub(super) async fn move_organization(
    directory: &Directory,
    request: Request<proto::MoveOrganizationRequest>,
) -> Result<Response<proto::MoveOrganizationResponse>, Status> {
    let (call, draft) = wire::read_move_organization(&request)?;
    if let Some(answer) = directory.service.answered_before(&call).await? {
        return Ok(answer);
    }
    for _ in 0..ATTEMPTS {
        let seen = directory.organization_move_seen(&call.call, &draft).await?;
        let mut ask = ask_to_move_organization(&draft, &seen);
        if let Ok(agency) = &seen.target {
            // What is in the way is said in its own words, to whoever has the permissions; authz would have to make sense of such a place.
            ask = ask.to(move_node(feed::organization(&seen.before.moved(&draft.to, agency, directory.service.now()))));
        }
        let mut change = match directory.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        if let Some(moved) = moves::organization(&mut change, &draft, &seen).await? {
            return change.answer(wire::write_moved(&moved)).await;
        }
    }
    Err(outrun())
}

pub(super) async fn preview_organization(
    directory: &Directory,
    request: Request<proto::PreviewMoveOrganizationRequest>,
) -> Result<Response<proto::PreviewMoveOrganizationResponse>, Status> {
    let (call, draft) = wire::read_preview_organization(&request)?;
    let db = directory.service.ledger().reader();
    for _ in 0..ATTEMPTS {
        let seen = directory.organization_move_seen(&call, &draft).await?;
        let mut ask = ask_to_move_organization(&draft, &seen);
        for node in [Some(&draft.name), seen.before.parent.as_ref(), Some(&draft.to)].into_iter().flatten() {
            ask = ask.to(permission("access.get", node.as_str()));
        }
        let permit = directory.service.permit(&call, ask).await?;
        let OrganizationMove { before, target } = seen.clone();
        before.expect(draft.etag)?;
        let agency = target.map_err(|obstacle| obstacle.refusal(&draft))?;

        let organizations = store::moves::organizations_from(db, &before.name).await.map_err(Error::from)?;
        let left = store::moves::sponsors_left(db, before.parent.as_ref(), &draft.to).await.map_err(Error::from)?;
        let losing = store::moves::sponsored_by(db, &organizations, &left).await.map_err(Error::from)?;
        let required = invariants::required_of(&before, &permit.granted().required_roles);
        let now = directory.service.now();
        let consenting =
            store::move_consent::standing(db, Users::Free, &before.name, &required, &draft.to, now).await.map_err(Error::from)?;
        // What is sponsored from where it was gives nothing where it comes to; it need not be taken away from that world.
        let hypothetical = vec![feed::organization(&before.moved(&draft.to, &agency, now))];
        let head = directory.service.ledger().head().await.map_err(Error::from)?;
        let nodes = vec![draft.name.to_string()];
        let access = directory.service.guard().preview_access(hypothetical, nodes, PREVIEWED, head, call.deadline.instant()).await?;
        // It was looked at without locks: what the permit was asked for must still be so.
        if directory.organization_move_seen(&call, &draft).await? == seen {
            return Ok(Response::new(proto::PreviewMoveOrganizationResponse {
                access_changes: access.access.into_iter().map(wire::write_access_change).collect(),
                removed_bindings: losing.iter().map(|binding| binding.name.to_string()).collect(),
                complete: access.complete,
                consent_required: consenting.required,
                consent_given: consenting.given,
                revision: head.to_string(),
            }));
        }
    }
    Err(outrun())
}

pub(super) async fn consent_to_move(
    directory: &Directory,
    request: Request<proto::ConsentToMoveRequest>,
) -> Result<Response<proto::MoveConsent>, Status> {
    let (call, draft) = wire::read_consent(&request)?;
    let name = draft.organization.as_str();
    let ask = Ask::writing(name).to(permission("organization.update", name));
    let mut change = match directory.service.open(&call, ask).await? {
        Opened::Open(change) => change,
        Opened::Answered(answer) => return Ok(answer),
    };
    let consent = consent::give(&mut change, draft, actor(&call.call)?).await?;
    change.answer(wire::write_consent(&consent)).await
}

pub(super) async fn revoke_consent_to_move(
    directory: &Directory,
    request: Request<proto::RevokeConsentToMoveRequest>,
) -> Result<Response<proto::MoveConsent>, Status> {
    let (call, organization, workspace) = wire::read_revoke_consent(&request)?;
    let ask = Ask::writing(organization.as_str()).to(permission("organization.update", organization.as_str()));
    let mut change = match directory.service.open(&call, ask).await? {
        Opened::Open(change) => change,
        Opened::Answered(answer) => return Ok(answer),
    };
    let consent = consent::revoke(&mut change, &organization, &workspace, &actor(&call.call)?).await?;
    change.answer(wire::write_consent(&consent)).await
}

pub(super) async fn move_account(
    directory: &Directory,
    request: Request<proto::MoveAccountRequest>,
) -> Result<Response<proto::Account>, Status> {
    let (call, draft) = wire::read_move_account(&request)?;
    if let Some(answer) = directory.service.answered_before(&call).await? {
        return Ok(answer);
    }
    for _ in 0..ATTEMPTS {
        let seen = directory.account_seen(&call.call, &draft).await?;
        let mut ask = ask_to_move_account(&draft);
        if let Ok(after) = seen.moved(draft.to.as_ref(), directory.service.now()) {
            ask = ask.to(move_node(feed::account(&after)));
        }
        let mut change = match directory.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        if let Some(account) = moves::account(&mut change, &draft, &seen).await? {
            return change.answer(crate::wire::account::write(&account)).await;
        }
    }
    Err(outrun())
}

pub(super) async fn preview_account(
    directory: &Directory,
    request: Request<proto::PreviewMoveAccountRequest>,
) -> Result<Response<proto::PreviewMoveAccountResponse>, Status> {
    let (call, draft) = wire::read_preview_account(&request)?;
    for _ in 0..ATTEMPTS {
        let seen = directory.account_seen(&call, &draft).await?;
        let mut ask = ask_to_move_account(&draft);
        for node in [draft.name.clone(), seen.parent(), to_of(&draft)] {
            ask = ask.to(permission("access.get", node.as_str()));
        }
        directory.service.permit(&call, ask).await?;
        seen.expect(draft.etag)?;
        let after = seen.moved(draft.to.as_ref(), directory.service.now())?;
        let head = directory.service.ledger().head().await.map_err(Error::from)?;
        let (hypothetical, nodes) = (vec![feed::account(&after)], vec![draft.name.to_string()]);
        let access = directory.service.guard().preview_access(hypothetical, nodes, PREVIEWED, head, call.deadline.instant()).await?;
        if directory.account_seen(&call, &draft).await? == seen {
            return Ok(Response::new(proto::PreviewMoveAccountResponse {
                access_changes: access.access.into_iter().map(wire::write_access_change).collect(),
                complete: access.complete,
                revision: head.to_string(),
            }));
        }
    }
    Err(outrun())
}

/// Rights on both sides.
fn ask_to_move_organization(draft: &MoveDraft<NodeName>, seen: &OrganizationMove) -> Ask {
    Ask::writing(draft.name.as_str())
        .also_writing(draft.to.as_str())
        .to(above(seen.before.parent.as_ref(), ATTACH))
        .to(permission(ATTACH, draft.to.as_str()))
}

/// It leaves where it was, and is as new where it comes to.
fn ask_to_move_account(draft: &MoveDraft<Option<NodeName>>) -> Ask {
    let name = draft.name.as_str();
    Ask::writing(name)
        .to(permission("accounts.update", name))
        .to(permission("accounts.delete", name))
        .to(permission("accounts.create", to_of(draft).as_str()))
}

fn to_of(draft: &MoveDraft<Option<NodeName>>) -> NodeName {
    draft.to.clone().unwrap_or_else(|| draft.name.organization())
}

fn actor(call: &Call) -> Result<UserName, Error> {
    UserName::parse(&call.actor).map_err(|_| Error::not_found(call.actor.as_str()))
}

impl Directory {
    /// What a move is about, as of now. An organization that is not there is the platform's to know, so that it looks to others like one that is
    /// none of their business.
    async fn organization_move_seen(&self, call: &Call, draft: &MoveDraft<NodeName>) -> Result<OrganizationMove, Status> {
        let db = self.service.ledger().reader();
        if let Some(seen) = store::moves::of_organization(db, &draft.name, &draft.to).await.map_err(Error::from)? {
            return Ok(seen);
        }
        self.service.permit(call, Ask::writing(draft.name.as_str()).to(platform())).await?;
        Err(Error::not_found(draft.name.as_str()).into())
    }

    /// The account as it is now; that there is none is told to those who could move it.
    async fn account_seen(&self, call: &Call, draft: &MoveDraft<Option<NodeName>>) -> Result<Account, Status> {
        if let Some(account) = store::account::find(self.service.ledger().reader(), &draft.name).await.map_err(Error::from)? {
            return Ok(account);
        }
        self.service.permit(call, ask_to_move_account(draft)).await?;
        Err(Error::not_found(draft.name.as_str()).into())
    }
}
