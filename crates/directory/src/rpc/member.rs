//! The handlers of members.

use api::directory::v1::{self as proto, member_service_server::MemberService};
use client::guard::{Ask, any_of, join_group, leave_group, myself, permission, revoke};
use decision::name::{MemberName, NodeName};
use service::{
    call::WriteCall,
    change::{Answer, Opened},
};
use tonic::{Request, Response, Status, async_trait};

use super::{ATTEMPTS, outrun};
use crate::{
    Directory,
    member::{self, Holdings, Member, Participant, user_of},
    status::Error,
    store,
    wire::member as wire,
};

#[async_trait]
impl MemberService for Directory {
    async fn create_member(&self, request: Request<proto::CreateMemberRequest>) -> Result<Response<proto::Member>, Status> {
        let (call, name) = wire::read_create(&request)?;
        let organization = name.organization();
        let ask = Ask::writing(organization.as_str()).to(permission("members.create", organization.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let participant = member::take_in(&mut change, &name).await?;
        change.answer(wire::write(&participant)).await
    }

    async fn get_member(&self, request: Request<proto::GetMemberRequest>) -> Result<Response<proto::Member>, Status> {
        let (call, name) = wire::read_get(&request)?;
        let organization = name.organization();
        let user = user_of(&name).ok_or_else(|| Error::not_found(name.as_str()))?;
        let may_see = any_of([permission("members.get", organization.as_str()), myself(user.as_str())]);
        let permit = self.service.permit(&call, Ask::writing(organization.as_str()).to(may_see)).await?;
        let found = store::member::find(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
        let found = found.ok_or_else(|| Error::not_found(name.as_str()))?;
        let roles = permit.granted().membership.clone().unwrap_or_default().organization_roles;
        let participants = self.participants(&organization, vec![found], &roles).await?;
        let mut answer = participants.first().map(wire::write).unwrap_or_default();
        answer.stamp(&self.service.head().await?);
        Ok(Response::new(answer))
    }

    async fn list_members(&self, request: Request<proto::ListMembersRequest>) -> Result<Response<proto::ListMembersResponse>, Status> {
        let (call, page, filter) = wire::read_list(&self.service, &request)?;
        let organization = &filter.organization;
        let permit =
            self.service.permit(&call, Ask::writing(organization.as_str()).to(permission("members.get", organization.as_str()))).await?;
        let limit = page.size as u64 + 1;
        let mut found =
            store::member::page(self.service.ledger().reader(), &filter, page.after.as_deref(), limit).await.map_err(Error::from)?;
        let more = found.len() > page.size;
        found.truncate(page.size);
        let next_page_token = self.service.next_page(&page, found.last().filter(|_| more).map(|(_, position)| position.as_str()));
        let roles = permit.granted().membership.clone().unwrap_or_default().organization_roles;
        let found = found.into_iter().map(|(member, _)| member).collect();
        let participants = self.participants(organization, found, &roles).await?;
        let revision = self.service.head().await?;
        let members = participants.iter().map(|row| proto::Member { revision: revision.clone(), ..wire::write(row) }).collect();
        Ok(Response::new(proto::ListMembersResponse { members, next_page_token, revision }))
    }

    async fn update_member(&self, request: Request<proto::UpdateMemberRequest>) -> Result<Response<proto::Member>, Status> {
        let (call, name, suspended, etag) = wire::read_update(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let held = self.held_by_member(&name).await?;
            let mut change = match self.open_over(&call, &name, "members.update", &held, !suspended).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            if let Some(participant) = member::set_suspended(&mut change, &name, suspended, etag, &held).await? {
                return change.answer(wire::write(&participant)).await;
            }
        }
        Err(outrun())
    }

    async fn delete_member(&self, request: Request<proto::DeleteMemberRequest>) -> Result<Response<proto::DeleteMemberResponse>, Status> {
        let (call, name, etag) = wire::read_delete(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let held = self.held_by_member(&name).await?;
            let mut change = match self.open_over(&call, &name, "members.delete", &held, false).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            if let Some(removed) = member::remove(&mut change, &name, etag, &held).await? {
                return change.answer(wire::write_removed(&removed)).await;
            }
        }
        Err(outrun())
    }
}

impl Directory {
    /// What a member has in the organization, as of now.
    async fn held_by_member(&self, name: &MemberName) -> Result<Holdings, Status> {
        let user = user_of(name).ok_or_else(|| Error::not_found(name.as_str()))?;
        Ok(store::member::holdings(self.service.ledger().reader(), name, &user).await.map_err(Error::from)?)
    }

    /// Opens a write that needs a permission on the organization, and authority over all that the member has there: what they hold directly,
    /// and what they are given back (`returning`) or lose by their groups, which anybody may leave.
    async fn open_over<R: Answer>(
        &self,
        call: &WriteCall,
        name: &MemberName,
        action: &str,
        held: &Holdings,
        returning: bool,
    ) -> Result<Opened<R>, Status> {
        let organization = name.organization();
        let ask = Ask::writing(organization.as_str()).to(permission(action, organization.as_str()));
        let mut ask = held.bindings.iter().fold(ask, |ask, binding| ask.to(revoke(binding.name.as_str())));
        for edge in &held.groups {
            let (group, member) = (edge.group.as_str(), edge.member_text());
            if returning {
                ask = ask.to(join_group(group, member));
            } else if call.call.actor != member {
                ask = ask.to(leave_group(group, member));
            }
        }
        self.service.open(call, ask).await
    }

    /// Members with the organization role of each.
    async fn participants(&self, organization: &NodeName, members: Vec<Member>, roles: &[String]) -> Result<Vec<Participant>, Status> {
        let users: Vec<_> = members.iter().map(|member| member.user.clone()).collect();
        let held = store::role_binding::held_by(self.service.ledger().reader(), organization, &users, roles, self.service.now())
            .await
            .map_err(Error::from)?;
        let role_of = |member: &Member| held.iter().find(|(user, _)| *user == member.user).map(|(_, role)| role.clone());
        Ok(members.into_iter().map(|member| Participant { organization_role: role_of(&member), member }).collect())
    }
}
