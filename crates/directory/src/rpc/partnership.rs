//! The handlers of partnerships.

use api::directory::v1::{self as proto, partnership_service_server::PartnershipService};
use client::guard::{Ask, any_of, permission, widen_partnership};
use decision::name::PartnershipName;
use service::{
    call::Call,
    change::{Answer, Opened},
};
use tonic::{Request, Response, Status, async_trait};

use super::{ATTEMPTS, outrun};
use crate::{
    Directory, feed,
    partnership::{self, Sponsorship},
    status::Error,
    store,
    wire::partnership as wire,
};

#[async_trait]
impl PartnershipService for Directory {
    async fn create_partnership(&self, request: Request<proto::CreatePartnershipRequest>) -> Result<Response<proto::Partnership>, Status> {
        let (call, draft) = wire::read_create(&request)?;
        let ask = Ask::writing(draft.name.organization().as_str()).to(permission("partners.create", draft.node.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let partnership = partnership::offer(&mut change, draft).await?;
        let answer = wire::write(&partnership, change.now());
        change.answer(answer).await
    }

    async fn get_partnership(&self, request: Request<proto::GetPartnershipRequest>) -> Result<Response<proto::Partnership>, Status> {
        let (call, name) = wire::read_get(&request)?;
        let partnership = self.partnership_seen(&call, &name, "partners.get").await?.partnership;
        let sides =
            any_of([permission("partners.get", partnership.node.as_str()), permission("partners.get", partnership.partner.as_str())]);
        self.service.permit(&call, Ask::writing(name.organization().as_str()).to(sides)).await?;
        let mut answer = wire::write(&partnership, self.service.now());
        answer.stamp(&self.service.head().await?);
        Ok(Response::new(answer))
    }

    async fn list_partnerships(
        &self,
        request: Request<proto::ListPartnershipsRequest>,
    ) -> Result<Response<proto::ListPartnershipsResponse>, Status> {
        let (call, page, organization, filter) = wire::read_list(&self.service, &request)?;
        self.service.permit(&call, Ask::writing(organization.as_str()).to(permission("partners.get", organization.as_str()))).await?;
        let limit = page.size as u64 + 1;
        let mut found =
            store::partnership::page(self.service.ledger().reader(), &filter, page.after.as_deref(), limit).await.map_err(Error::from)?;
        let more = found.len() > page.size;
        found.truncate(page.size);
        let last = found.last().filter(|_| more).map(|partnership| filter.position(partnership));
        let next_page_token = self.service.next_page(&page, last.as_deref());
        let now = self.service.now();
        let revision = self.service.head().await?;
        let partnerships = found.iter().map(|row| proto::Partnership { revision: revision.clone(), ..wire::write(row, now) }).collect();
        Ok(Response::new(proto::ListPartnershipsResponse { partnerships, next_page_token, revision }))
    }

    async fn update_partnership(&self, request: Request<proto::UpdatePartnershipRequest>) -> Result<Response<proto::Partnership>, Status> {
        let (call, name, wanted, etag) = wire::read_update(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let seen = self.partnership_seen(&call.call, &name, "partners.update").await?;
            let ask = Ask::writing(name.organization().as_str()).to(permission("partners.update", seen.partnership.node.as_str()));
            let after = seen.partnership.changed(&wanted, self.service.now());
            let further = seen.reaching_further(&after.allows, self.service.now());
            let record = feed::partnership(&after);
            let ask = further.into_iter().fold(ask, |ask, binding| ask.to(widen_partnership(binding.name.as_str(), record.clone())));
            let mut change = match self.service.open(&call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            if let Some(partnership) = partnership::amend(&mut change, &wanted, etag, &seen).await? {
                let answer = wire::write(&partnership, change.now());
                return change.answer(answer).await;
            }
        }
        Err(outrun())
    }

    async fn accept_partnership(&self, request: Request<proto::AcceptPartnershipRequest>) -> Result<Response<proto::Partnership>, Status> {
        let (call, name, etag) = wire::read_accept(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        let seen = self.partnership_seen(&call.call, &name, "partners.update").await?.partnership;
        // The record is the offering organization's; the authority is the partner's.
        let ask = Ask::writing(name.organization().as_str()).to(permission("partners.update", seen.partner.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let partnership = partnership::accept(&mut change, &name, etag).await?;
        let answer = wire::write(&partnership, change.now());
        change.answer(answer).await
    }

    async fn delete_partnership(
        &self,
        request: Request<proto::DeletePartnershipRequest>,
    ) -> Result<Response<proto::DeletePartnershipResponse>, Status> {
        let (call, name, etag) = wire::read_delete(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        let seen = self.partnership_seen(&call.call, &name, "partners.delete").await?.partnership;
        let sides = any_of([permission("partners.delete", seen.node.as_str()), permission("partners.delete", seen.partner.as_str())]);
        let mut change = match self.service.open(&call, Ask::writing(name.organization().as_str()).to(sides)).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let ended = partnership::end(&mut change, &name, etag).await?;
        let partnership = Some(wire::write(&ended.partnership, change.now()));
        let removed_bindings = ended.bindings.iter().map(ToString::to_string).collect();
        let withdrawn_invitations = ended.invitations.iter().map(ToString::to_string).collect();
        change.answer(proto::DeletePartnershipResponse { partnership, removed_bindings, withdrawn_invitations }).await
    }
}

impl Directory {
    /// A partnership as it is now, with what it sponsors. That it is missing is said to those only who have the permission that is about to be
    /// asked for: to everybody else a missing one looks like one that is none of their business.
    async fn partnership_seen(&self, call: &Call, name: &PartnershipName, needed: &str) -> Result<Sponsorship, Status> {
        if let Some(seen) = store::partnership::sponsorship(self.service.ledger().reader(), name).await.map_err(Error::from)? {
            return Ok(seen);
        }
        let organization = name.organization();
        self.service.permit(call, Ask::writing(organization.as_str()).to(permission(needed, organization.as_str()))).await?;
        Err(Error::not_found(name.as_str()).into())
    }
}
