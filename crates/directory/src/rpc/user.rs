//! The handlers of users.

use std::collections::{BTreeMap, BTreeSet};

use api::{
    authz::v1::Requirement,
    directory::v1::{self as proto, user_service_server::UserService},
};
use client::guard::{Ask, any_of, leave_group, myself, permission, platform, revoke};
use decision::name::{NodeName, Principal, UserName};
use service::{
    call::{Call, WriteCall},
    change::{Answer, Opened},
    fields::Etag,
};
use tonic::{Request, Response, Status, async_trait};

use super::{ATTEMPTS, outrun};
use crate::{
    Directory, feed,
    status::Error,
    store,
    user::{self, TreeRules, User},
    wire::user as wire,
};

#[async_trait]
impl UserService for Directory {
    async fn create_user(&self, request: Request<proto::CreateUserRequest>) -> Result<Response<proto::User>, Status> {
        let (call, draft, is_chosen) = wire::read_create(&request)?;
        let ask = match &draft.managed_by {
            None => Ask::writing(draft.name.as_str()).to(platform()),
            Some(home) => Ask::writing(home.as_str()).also_writing(draft.name.as_str()).to(permission("members.create", home.as_str())),
        };
        // Authz knows which name is the platform's and nobody else's.
        let ask = ask.given(feed::user(&User::new(draft.clone(), self.service.now())));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        if is_chosen && !change.granted().platform {
            // Users are global: that an id is taken would tell of others.
            return Err(Error::Field { path: "user_id", description: "empty; only the platform chooses ids".to_owned() }.into());
        }
        let user = match draft.managed_by.clone() {
            None => user::create(&mut change, draft).await?,
            Some(home) => user::create_managed(&mut change, draft, &home).await?,
        };
        change.answer(wire::write(&user)).await
    }

    async fn get_user(&self, request: Request<proto::GetUserRequest>) -> Result<Response<proto::User>, Status> {
        let (call, name) = wire::read_get(&request)?;
        let home = self.managed_by(&name).await?;
        self.service
            .permit(&call, Ask::writing(name.as_str()).to(or_managing(myself(name.as_str()), home.as_ref(), "members.get")))
            .await?;
        let found = store::user::find(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
        let mut answer = wire::write(&found.ok_or_else(|| Error::not_found(name.as_str()))?);
        answer.stamp(&self.service.head().await?);
        Ok(Response::new(answer))
    }

    async fn list_users(&self, request: Request<proto::ListUsersRequest>) -> Result<Response<proto::ListUsersResponse>, Status> {
        let (call, page, filter) = wire::read_list(&self.service, &request)?;
        // Of no tree: nothing is written, so nothing is locked.
        self.service.permit(&call, Ask::writing(call.actor.as_str()).to(platform())).await?;
        let limit = page.size as u64 + 1;
        let mut found =
            store::user::page(self.service.ledger().reader(), &filter, page.after.as_deref(), limit).await.map_err(Error::from)?;
        let more = found.len() > page.size;
        found.truncate(page.size);
        let last = found.last().filter(|_| more).map(|user| filter.position(user));
        let next_page_token = self.service.next_page(&page, last.as_deref());
        let revision = self.service.head().await?;
        let users = found.iter().map(|user| proto::User { revision: revision.clone(), ..wire::write(user) }).collect();
        Ok(Response::new(proto::ListUsersResponse { users, next_page_token, revision }))
    }

    async fn update_user(&self, request: Request<proto::UpdateUserRequest>) -> Result<Response<proto::User>, Status> {
        let (call, name, wanted, etag) = wire::read_update(&request)?;
        // An address is a proof of who somebody is, so the platform says what it is.
        let needed = if wanted.email.is_some() { platform() } else { myself(name.as_str()) };
        let needed = or_managing(needed, self.managed_by(&name).await?.as_ref(), "members.update");
        let mut change = match self.service.open(&call, Ask::writing(name.as_str()).to(needed)).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let user = user::update(&mut change, &name, &wanted, etag).await?;
        change.answer(wire::write(&user)).await
    }

    async fn delete_user(&self, request: Request<proto::DeleteUserRequest>) -> Result<Response<proto::User>, Status> {
        let (call, name, etag) = wire::read_delete(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        if let Some(home) = self.managed_by(&name).await? {
            return self.delete_managed(&call, &name, etag, &home).await;
        }
        for _ in 0..ATTEMPTS {
            let organizations = store::user::organizations_of(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
            let rules = self.rules_of(&call.call, &organizations).await?;
            let ask = rules.keys().fold(Ask::writing(name.as_str()).to(platform()), |ask, root| ask.also_writing(root.as_str()));
            let mut change = match self.service.open(&call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            if let Some(user) = user::delete(&mut change, &name, etag, &organizations, &rules).await? {
                return change.answer(wire::write(&user)).await;
            }
        }
        Err(outrun())
    }

    async fn suspend_user(&self, request: Request<proto::SuspendUserRequest>) -> Result<Response<proto::SuspendUserResponse>, Status> {
        let (call, name, etag) = wire::read_suspend(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let held = store::role_binding::of_principal(self.service.ledger().reader(), &Principal::User(name.clone()))
                .await
                .map_err(Error::from)?;
            let rules = self.rules_of(&call.call, &user::at_organizations(&held)).await?;
            let mut change = match self.service.open(&call, Ask::writing(name.as_str()).to(platform())).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            if let Some((user, lacking)) = user::suspend(&mut change, &name, etag, &rules).await? {
                let organizations_needing_owner = lacking.iter().map(ToString::to_string).collect();
                let answer = proto::SuspendUserResponse { user: Some(wire::write(&user)), organizations_needing_owner };
                return change.answer(answer).await;
            }
        }
        Err(outrun())
    }

    async fn reactivate_user(&self, request: Request<proto::ReactivateUserRequest>) -> Result<Response<proto::User>, Status> {
        let (call, name, etag) = wire::read_reactivate(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let held = store::role_binding::of_principal(self.service.ledger().reader(), &Principal::User(name.clone()))
                .await
                .map_err(Error::from)?;
            let rules = self.rules_of(&call.call, &user::at_organizations(&held)).await?;
            let mut change = match self.service.open(&call, Ask::writing(name.as_str()).to(platform())).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            if let Some(user) = user::reactivate(&mut change, &name, etag, &rules).await? {
                return change.answer(wire::write(&user)).await;
            }
        }
        Err(outrun())
    }
}

/// This, or a permission on the organization that manages the user. This comes first: what it is refused with tells of no organization.
pub(super) fn or_managing(needed: Requirement, home: Option<&NodeName>, action: &str) -> Requirement {
    match home {
        None => needed,
        Some(home) => any_of([needed, permission(action, home.as_str())]),
    }
}

impl Directory {
    /// The organization that manages a user, if there is such a user and one does.
    pub(super) async fn managed_by(&self, name: &UserName) -> Result<Option<NodeName>, Error> {
        Ok(store::user::managed_by(self.service.ledger().reader(), name).await?)
    }

    /// Deletes a user whom an organization manages: what removing them from every organization takes.
    async fn delete_managed(
        &self,
        call: &WriteCall,
        name: &UserName,
        etag: Etag,
        home: &NodeName,
    ) -> Result<Response<proto::User>, Status> {
        for _ in 0..ATTEMPTS {
            let held = store::user::holdings(self.service.ledger().reader(), name).await.map_err(Error::from)?;
            let organizations: BTreeSet<_> = held.keys().cloned().collect();
            let rules = self.rules_of(&call.call, &organizations).await?;
            let ask = Ask::writing(home.as_str()).also_writing(name.as_str());
            let mut ask = ask.to(or_managing(platform(), Some(home), "members.delete"));
            for (organization, holdings) in &held {
                ask = ask.also_writing(organization.as_str()).to(permission("members.delete", organization.as_str()));
                ask = holdings.bindings.iter().fold(ask, |ask, binding| ask.to(revoke(binding.name.as_str())));
                ask = holdings.groups.iter().fold(ask, |ask, edge| ask.to(leave_group(edge.group.as_str(), edge.member_text())));
            }
            let mut change = match self.service.open(call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            if store::user::holdings(change.connection(), name).await.map_err(Error::from)? != held {
                continue;
            }
            if let Some(user) = user::delete(&mut change, name, etag, &organizations, &rules).await? {
                return change.answer(wire::write(&user)).await;
            }
        }
        Err(outrun())
    }

    /// What the role models of the trees of these organizations say, by their roots. Whoever uses them compares the pinned revisions under the
    /// locks.
    async fn rules_of(&self, call: &Call, organizations: &BTreeSet<NodeName>) -> Result<BTreeMap<NodeName, TreeRules>, Status> {
        let mut rules = BTreeMap::new();
        let head = self.service.ledger().head().await.map_err(Error::from)?;
        for name in organizations {
            let found = store::organization::find(self.service.ledger().reader(), name).await.map_err(Error::from)?;
            let Some(organization) = found else { continue };
            if rules.contains_key(&organization.root) {
                continue;
            }
            let said = self.service.guard().tree_rules(organization.root.as_str(), head, call.deadline.instant()).await?;
            rules.insert(organization.root, TreeRules::from_authz(said)?);
        }
        Ok(rules)
    }
}
