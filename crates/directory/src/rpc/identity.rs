//! The handlers of identities and their issuers.

use api::directory::v1::{self as proto, identity_service_server::IdentityService};
use client::guard::{Ask, change as change_binding, join_group, myself, permission, platform};
use decision::name::UserName;
use service::change::{Answer, Opened};
use tonic::{Request, Response, Status, async_trait};

use super::{ATTEMPTS, outrun, user::or_managing};
use crate::{
    Directory, feed, identity,
    status::Error,
    store,
    wire::identity::{self as wire, Known},
    wire::user::write as write_user,
};

#[async_trait]
impl IdentityService for Directory {
    async fn register_issuer(&self, request: Request<proto::RegisterIssuerRequest>) -> Result<Response<proto::Issuer>, Status> {
        let (call, uri, organization) = wire::read_register(&request)?;
        let mut change = match self.service.open(&call, Ask::writing(organization.as_str()).to(platform())).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let issuer = identity::register(&mut change, uri, organization).await?;
        change.answer(wire::write_issuer(&issuer)).await
    }

    async fn unregister_issuer(&self, request: Request<proto::UnregisterIssuerRequest>) -> Result<Response<proto::Issuer>, Status> {
        let (call, uri) = wire::read_unregister(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        let found = store::identity::issuer(self.service.ledger().reader(), &uri).await.map_err(Error::from)?;
        // Of one that is not registered, the actor's own stamp stands for the tree: what follows is NOT_FOUND, or the refusal.
        let tree = found.map_or_else(|| call.call.actor.clone(), |issuer| issuer.organization.to_string());
        let mut change = match self.service.open(&call, Ask::writing(tree).to(platform())).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let issuer = identity::unregister(&mut change, &uri).await?;
        change.answer(wire::write_issuer(&issuer)).await
    }

    async fn list_issuers(&self, request: Request<proto::ListIssuersRequest>) -> Result<Response<proto::ListIssuersResponse>, Status> {
        let (call, page, organization) = wire::read_list_issuers(&self.service, &request)?;
        self.service.permit(&call, Ask::writing(organization.as_str()).to(permission("members.get", organization.as_str()))).await?;
        let limit = page.size as u64 + 1;
        let reader = self.service.ledger().reader();
        let mut found = store::identity::issuer_page(reader, &organization, page.after.as_deref(), limit).await.map_err(Error::from)?;
        let more = found.len() > page.size;
        found.truncate(page.size);
        let next_page_token = self.service.next_page(&page, found.last().filter(|_| more).map(|issuer| issuer.uri.as_str()));
        let revision = self.service.head().await?;
        let issuers = found.iter().map(|row| proto::Issuer { revision: revision.clone(), ..wire::write_issuer(row) }).collect();
        Ok(Response::new(proto::ListIssuersResponse { issuers, next_page_token, revision }))
    }

    async fn link_identity(&self, request: Request<proto::LinkIdentityRequest>) -> Result<Response<proto::Identity>, Status> {
        let (call, user, key) = wire::read_link(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let home = self.managed_by(&user).await?;
            let held = match &home {
                Some(_) => store::user::holdings(self.service.ledger().reader(), &user).await.map_err(Error::from)?,
                None => Default::default(),
            };
            let tree = home.as_ref().map_or_else(|| user.as_str(), |home| home.as_str());
            let ask = Ask::writing(tree).also_writing(user.as_str());
            let mut ask = ask.to(or_managing(platform(), home.as_ref(), "members.link_identity"));
            // Whoever can sign in as somebody has all that they have: it is given, as if each role were given anew.
            for (organization, holdings) in &held {
                ask = ask.also_writing(organization.as_str());
                let again = holdings.bindings.iter().filter(|binding| !binding.assigned.has_ended(self.service.now()));
                ask = again.fold(ask, |ask, binding| ask.to(change_binding(binding.name.as_str(), feed::assignment(&binding.assigned))));
                ask = holdings.groups.iter().fold(ask, |ask, edge| ask.to(join_group(edge.group.as_str(), edge.member_text())));
            }
            let mut change = match self.service.open(&call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            if home.is_some() && store::user::holdings(change.connection(), &user).await.map_err(Error::from)? != held {
                continue;
            }
            let identity = identity::link(&mut change, &user, key).await?;
            return change.answer(wire::write(&identity)).await;
        }
        Err(outrun())
    }

    async fn unlink_identity(&self, request: Request<proto::UnlinkIdentityRequest>) -> Result<Response<proto::Identity>, Status> {
        let (call, user, key) = wire::read_unlink(&request)?;
        let ask = self.ask_about(&user).await?;
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let identity = identity::unlink(&mut change, &user, &key).await?;
        change.answer(wire::write(&identity)).await
    }

    async fn list_identities(
        &self,
        request: Request<proto::ListIdentitiesRequest>,
    ) -> Result<Response<proto::ListIdentitiesResponse>, Status> {
        let (call, user) = wire::read_list(&request)?;
        self.service.permit(&call, self.ask_about(&user).await?).await?;
        let found = store::identity::of_user(self.service.ledger().reader(), &user).await.map_err(Error::from)?;
        let revision = self.service.head().await?;
        let identities = found.iter().map(|row| proto::Identity { revision: revision.clone(), ..wire::write(row) }).collect();
        Ok(Response::new(proto::ListIdentitiesResponse { identities, revision }))
    }

    async fn lookup_user(&self, request: Request<proto::LookupUserRequest>) -> Result<Response<proto::User>, Status> {
        let (call, known) = wire::read_lookup(&request)?;
        self.service.permit(&call, Ask::writing(call.actor.as_str()).to(platform())).await?;
        let reader = self.service.ledger().reader();
        let found = match &known {
            Known::Email(email) => store::user::with_email(reader, email).await.map_err(Error::from)?,
            Known::Identity(key) => match store::identity::find(reader, key).await.map_err(Error::from)? {
                Some(identity) => store::user::find(reader, &identity.user).await.map_err(Error::from)?,
                None => None,
            },
        };
        let mut answer = write_user(&found.ok_or_else(|| Error::not_found("users/-"))?);
        answer.stamp(&self.service.head().await?);
        Ok(Response::new(answer))
    }
}

impl Directory {
    /// To see or take away a user's identities.
    async fn ask_about(&self, user: &UserName) -> Result<Ask, Error> {
        let home = self.managed_by(user).await?;
        let needed = or_managing(myself(user.as_str()), home.as_ref(), "members.link_identity");
        let tree = home.as_ref().map_or_else(|| user.as_str(), |home| home.as_str());
        Ok(Ask::writing(tree).also_writing(user.as_str()).to(needed))
    }
}
