//! The handlers of members.

use std::collections::BTreeMap;

use api::directory::v1::{self as proto, member_service_server::MemberService};
use client::guard::{Ask, any_of, join_group, leave_group, myself, permission, revoke};
use decision::name::{MemberName, NodeName, UserName};
use service::{
    call::WriteCall,
    change::{Answer, Opened},
};
use tonic::{Request, Response, Status, async_trait};

use super::{ATTEMPTS, outrun};
use crate::{
    Directory,
    arrange::{Placed, plan},
    assign,
    member::{self, Holdings, Member, Participant, user_of},
    role_binding::{Assignment, RoleBinding},
    status::Error,
    store,
    wire::member as wire,
};

#[async_trait]
impl MemberService for Directory {
    async fn create_member(&self, request: Request<proto::CreateMemberRequest>) -> Result<Response<proto::Member>, Status> {
        let (call, name, roles) = wire::read_create(&request)?;
        self.take_in(&call, &name, roles, "roles").await
    }

    async fn get_member(&self, request: Request<proto::GetMemberRequest>) -> Result<Response<proto::Member>, Status> {
        let (call, name, full) = wire::read_get(&request)?;
        let organization = name.organization();
        let user = user_of(&name).ok_or_else(|| Error::not_found(name.as_str()))?;
        let may_see = |needed| any_of([permission(needed, organization.as_str()), myself(user.as_str())]);
        let ask = Ask::writing(organization.as_str()).to(may_see("members.get"));
        let ask = if full { ask.to(may_see("access.get")) } else { ask };
        let permit = self.service.permit(&call, ask).await?;
        let found = store::member::find(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
        let found = found.ok_or_else(|| Error::not_found(name.as_str()))?;
        let roles = permit.granted().membership.clone().unwrap_or_default().organization_roles;
        let participants = self.participants(&organization, vec![found], &roles, full).await?;
        let mut answer = participants.first().map(wire::write).unwrap_or_default();
        answer.stamp(&self.service.head().await?);
        Ok(Response::new(answer))
    }

    async fn list_members(&self, request: Request<proto::ListMembersRequest>) -> Result<Response<proto::ListMembersResponse>, Status> {
        let (call, page, filter) = wire::read_list(&self.service, &request)?;
        let organization = &filter.organization;
        let full = request.get_ref().view() == proto::MemberView::Full;
        let ask = Ask::writing(organization.as_str()).to(permission("members.get", organization.as_str()));
        let ask = if full { ask.to(permission("access.get", organization.as_str())) } else { ask };
        let permit = self.service.permit(&call, ask).await?;
        let limit = page.size as u64 + 1;
        let mut found =
            store::member::page(self.service.ledger().reader(), &filter, page.after.as_deref(), limit).await.map_err(Error::from)?;
        let more = found.len() > page.size;
        found.truncate(page.size);
        let next_page_token = self.service.next_page(&page, found.last().filter(|_| more).map(|(_, position)| position.as_str()));
        let roles = permit.granted().membership.clone().unwrap_or_default().organization_roles;
        let found = found.into_iter().map(|(member, _)| member).collect();
        let participants = self.participants(organization, found, &roles, full).await?;
        let revision = self.service.head().await?;
        let members = participants.iter().map(|row| proto::Member { revision: revision.clone(), ..wire::write(row) }).collect();
        Ok(Response::new(proto::ListMembersResponse { members, next_page_token, revision }))
    }

    async fn update_member(&self, request: Request<proto::UpdateMemberRequest>) -> Result<Response<proto::Member>, Status> {
        let (call, name, wanted, etag, allow_missing) = wire::read_update(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        let organization = name.organization();
        for _ in 0..ATTEMPTS {
            if allow_missing && store::member::find(self.service.ledger().reader(), &name).await.map_err(Error::from)?.is_none() {
                return self.take_in(&call, &name, wanted.roles.unwrap_or_default(), "member.roles").await;
            }
            let held = self.held_by_member(&name).await?;
            let steps = match &wanted.roles {
                None => None,
                Some(roles) => Some(self.steps(&organization, &held, roles.clone())?),
            };
            let mut ask = Ask::writing(organization.as_str());
            if let Some(steps) = &steps {
                ask = steps.iter().fold(ask, |ask, placed| ask.to(placed.step.requirement()));
                // Whoever replaces all that somebody holds sees it.
                ask = ask.to(permission("access.get", organization.as_str()));
            }
            if let Some(suspended) = wanted.suspended {
                ask = over(ask.to(permission("members.update", organization.as_str())), &call, &held, !suspended);
            }
            if ask.requirements.is_empty() {
                ask = ask.to(permission("members.get", organization.as_str()));
            }
            let mut change = match self.service.open(&call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            if let Some(participant) = member::edit(&mut change, &name, wanted.suspended, steps.as_deref(), etag, &held).await? {
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
            let organization = name.organization();
            let ask = Ask::writing(organization.as_str()).to(permission("members.delete", organization.as_str()));
            let mut change = match self.service.open(&call, over(ask, &call, &held, false)).await? {
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

    /// Takes a user in, with these roles; `path` is where the request says them.
    async fn take_in(
        &self,
        call: &WriteCall,
        name: &MemberName,
        roles: Vec<Assignment>,
        path: &str,
    ) -> Result<Response<proto::Member>, Status> {
        let organization = name.organization();
        let steps = self.steps_to(&organization, &[], roles, path)?;
        let ask = Ask::writing(organization.as_str()).to(permission("members.create", organization.as_str()));
        let ask = steps.iter().fold(ask, |ask, placed| ask.to(placed.step.requirement()));
        let mut change = match self.service.open(call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let participant = member::take_in(&mut change, name, &steps, 1).await?;
        change.answer(wire::write(&participant)).await
    }

    /// What it takes to get from what a member holds to these roles.
    fn steps(&self, organization: &NodeName, held: &Holdings, roles: Vec<Assignment>) -> Result<Vec<Placed>, Error> {
        let now = self.service.now();
        let counts = |binding: &&RoleBinding| binding.assigned.sponsor.is_none() && !binding.assigned.has_ended(now);
        let present: Vec<_> = held.bindings.iter().filter(counts).cloned().collect();
        self.steps_to(organization, &present, roles, "member.roles")
    }

    fn steps_to(&self, organization: &NodeName, present: &[RoleBinding], roles: Vec<Assignment>, path: &str) -> Result<Vec<Placed>, Error> {
        let create = |assigned| Ok(RoleBinding::new(assign::new_binding_name(organization)?, assigned, self.service.now()));
        plan(present, roles, |at| format!("{path}[{at}]"), create)
    }

    /// Members with the organization role of each.
    async fn participants(
        &self,
        organization: &NodeName,
        members: Vec<Member>,
        roles: &[String],
        full: bool,
    ) -> Result<Vec<Participant>, Status> {
        let users: Vec<_> = members.iter().map(|member| member.user.clone()).collect();
        let (reader, now) = (self.service.ledger().reader(), self.service.now());
        let held = store::role_binding::held_by(reader, organization, &users, roles, now).await.map_err(Error::from)?;
        let mut direct: BTreeMap<UserName, Vec<RoleBinding>> = BTreeMap::new();
        if full {
            for binding in store::role_binding::direct_of(reader, organization, &users, now).await.map_err(Error::from)? {
                if let Some(user) = binding.assigned.user().cloned() {
                    direct.entry(user).or_default().push(binding);
                }
            }
        }
        let role_of = |member: &Member| held.iter().find(|(user, _)| *user == member.user).map(|(_, role)| role.clone());
        let participant = |member: Member| {
            let roles = direct.remove(&member.user).unwrap_or_default();
            Participant { organization_role: role_of(&member), member, roles }
        };
        Ok(members.into_iter().map(participant).collect())
    }
}

/// Authority over all that a member has there: what they hold directly, and what they are given back (`returning`) or lose by their groups, which
/// anybody may leave.
fn over(ask: Ask, call: &WriteCall, held: &Holdings, returning: bool) -> Ask {
    let mut ask = held.bindings.iter().fold(ask, |ask, binding| ask.to(revoke(binding.name.as_str())));
    for edge in &held.groups {
        let (group, member) = (edge.group.as_str(), edge.member_text());
        if returning {
            ask = ask.to(join_group(group, member));
        } else if call.call.actor != member {
            ask = ask.to(leave_group(group, member));
        }
    }
    ask
}
