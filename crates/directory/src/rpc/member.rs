//! The handlers of members.

use std::collections::BTreeMap;

use api::{
    authz::v1::Requirement,
    directory::v1::{self as proto, member_service_server::MemberService},
};
use client::guard::{Ask, any_of, join_group, leave_group, myself, permission, revoke};
use decision::name::{MemberName, NodeName, UserName};
use service::{
    call::WriteCall,
    change::{Answer, Opened},
};
use tonic::{Request, Response, Status, async_trait};

use super::{ATTEMPTS, outrun, role_binding_batch::needed as needed_for};
use crate::{
    Directory,
    arrange::{Placed, plan},
    assign,
    member::{self, Edit, Holdings, Member, Newcomer, Participant, Wanted, user_of},
    role_binding::{Assignment, RoleBinding},
    status::Error,
    store,
    wire::member as wire,
};

#[async_trait]
impl MemberService for Directory {
    async fn create_member(&self, request: Request<proto::CreateMemberRequest>) -> Result<Response<proto::Member>, Status> {
        let (call, draft) = wire::read_create(&request)?;
        let newcomer = self.newcomer(draft.name, draft.roles, "", "roles")?;
        self.take_in(&call, &newcomer.name.organization(), std::slice::from_ref(&newcomer), first).await
    }

    async fn batch_create_members(
        &self,
        request: Request<proto::BatchCreateMembersRequest>,
    ) -> Result<Response<proto::BatchCreateMembersResponse>, Status> {
        let (call, organization, drafts) = wire::read_batch_create(&request)?;
        let mut newcomers = Vec::with_capacity(drafts.len());
        for (at, draft) in drafts.into_iter().enumerate() {
            newcomers.push(self.newcomer(draft.name, draft.roles, &format!("requests[{at}]"), &format!("requests[{at}].roles"))?);
        }
        let answer = |members: Vec<proto::Member>| proto::BatchCreateMembersResponse { members };
        self.take_in(&call, &organization, &newcomers, answer).await
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
        let (call, wanted, allow_missing) = wire::read_update(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        let organization = wanted.name.organization();
        self.may_edit(&call, &organization, std::slice::from_ref(&wanted)).await?;
        if allow_missing && store::member::find(self.service.ledger().reader(), &wanted.name).await.map_err(Error::from)?.is_none() {
            let newcomer = self.newcomer(wanted.name, wanted.change.roles.unwrap_or_default(), "", "member.roles")?;
            return self.take_in(&call, &organization, std::slice::from_ref(&newcomer), first).await;
        }
        self.edit(&call, &organization, std::slice::from_ref(&wanted), first).await
    }

    async fn batch_update_members(
        &self,
        request: Request<proto::BatchUpdateMembersRequest>,
    ) -> Result<Response<proto::BatchUpdateMembersResponse>, Status> {
        let (call, organization, wanted) = wire::read_batch_update(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        self.may_edit(&call, &organization, &wanted).await?;
        self.edit(&call, &organization, &wanted, |members| proto::BatchUpdateMembersResponse { members }).await
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
            let ask = over(&call, &held, false).into_iter().fold(ask, Ask::to);
            let mut change = match self.service.open(&call, ask).await? {
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

    /// Who is to be taken in; `place` and `path` are where the request says them and their roles.
    fn newcomer(&self, name: MemberName, roles: Vec<Assignment>, place: &str, path: &str) -> Result<Newcomer, Error> {
        let steps = self.steps(&name.organization(), &[], roles, path)?;
        Ok(Newcomer { name, steps, place: place.to_owned() })
    }

    /// Takes users in, with their roles.
    async fn take_in<R: Answer>(
        &self,
        call: &WriteCall,
        organization: &NodeName,
        newcomers: &[Newcomer],
        answer: impl FnOnce(Vec<proto::Member>) -> R,
    ) -> Result<Response<R>, Status> {
        let mut needed = vec![(String::new(), permission("members.create", organization.as_str()))];
        newcomers.iter().for_each(|newcomer| needed.extend(needed_for(&newcomer.steps)));
        let mut change = match self.open_for_each(call, organization, &needed).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let taken_in = member::take_all_in(&mut change, newcomers, 1).await?;
        change.answer(answer(taken_in.iter().map(wire::write).collect())).await
    }

    /// Whether the actor may at all: before anything is looked up, for what a change takes tells what a member has.
    async fn may_edit(&self, call: &WriteCall, organization: &NodeName, wanted: &[Wanted]) -> Result<(), Status> {
        let needed = needed_of_all(organization, wanted);
        let ask = needed.into_iter().fold(Ask::writing(organization.as_str()), Ask::to);
        self.service.permit(&call.call, ask).await.map(drop)
    }

    /// Changes members of an organization.
    async fn edit<R: Answer>(
        &self,
        call: &WriteCall,
        organization: &NodeName,
        wanted: &[Wanted],
        answer: impl FnOnce(Vec<proto::Member>) -> R,
    ) -> Result<Response<R>, Status> {
        for _ in 0..ATTEMPTS {
            let mut edits = Vec::with_capacity(wanted.len());
            for one in wanted {
                edits.push(self.edit_of(one).await?);
            }
            let mut change = match self.open_for_each(call, organization, &needed_to_edit(call, organization, wanted, &edits)).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            if let Some(edited) = member::edit(&mut change, organization, &edits).await? {
                return change.answer(answer(edited.iter().map(wire::write).collect())).await;
            }
        }
        Err(outrun())
    }

    /// What it takes to get from what a member has to what is wanted.
    async fn edit_of<'w>(&self, wanted: &'w Wanted) -> Result<Edit<'w>, Status> {
        let seen = self.held_by_member(&wanted.name).await?;
        let now = self.service.now();
        let counts = |binding: &&RoleBinding| binding.assigned.sponsor.is_none() && !binding.assigned.has_ended(now);
        let present: Vec<_> = seen.bindings.iter().filter(counts).cloned().collect();
        let path = if wanted.place.is_empty() { "member.roles".to_owned() } else { format!("{}.member.roles", wanted.place) };
        let mut steps = match wanted.change.roles.clone() {
            None => None,
            Some(roles) => Some(self.steps(&wanted.name.organization(), &present, roles, &path)?),
        };
        // What is taken away is not in the request; it is of this member.
        let unplaced = steps.iter_mut().flatten().filter(|step| step.place.is_empty());
        unplaced.for_each(|step| step.place.clone_from(&wanted.place));
        Ok(Edit { wanted, seen, steps })
    }

    /// What it takes to get from what somebody holds to these roles.
    fn steps(&self, organization: &NodeName, present: &[RoleBinding], roles: Vec<Assignment>, path: &str) -> Result<Vec<Placed>, Error> {
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

/// The answer about one.
fn first(members: Vec<proto::Member>) -> proto::Member {
    members.into_iter().next().unwrap_or_default()
}

/// What changing members takes whoever they are and whatever they have.
fn needed_of_all(organization: &NodeName, wanted: &[Wanted]) -> Vec<Requirement> {
    let mut needed = Vec::new();
    if wanted.iter().any(|one| one.change.roles.is_some()) {
        // Whoever replaces all that somebody holds sees it.
        needed.push(permission("access.get", organization.as_str()));
    }
    if wanted.iter().any(|one| one.change.suspended.is_some()) {
        needed.push(permission("members.update", organization.as_str()));
    }
    if needed.is_empty() {
        needed.push(permission("members.get", organization.as_str()));
    }
    needed
}

/// What changing these members takes, and for which: all steps first.
fn needed_to_edit(call: &WriteCall, organization: &NodeName, wanted: &[Wanted], edits: &[Edit<'_>]) -> Vec<(String, Requirement)> {
    let mut needed = Vec::new();
    edits.iter().for_each(|edit| needed.extend(needed_for(edit.steps.as_deref().unwrap_or_default())));
    needed.extend(needed_of_all(organization, wanted).into_iter().map(|requirement| (String::new(), requirement)));
    for Edit { wanted, seen, .. } in edits {
        let Some(suspended) = wanted.change.suspended else { continue };
        needed.extend(over(call, seen, !suspended).into_iter().map(|requirement| (wanted.place.clone(), requirement)));
    }
    needed
}

/// Authority over all that a member has there: what they hold directly, and what they are given back (`returning`) or lose by their groups, which
/// anybody may leave.
fn over(call: &WriteCall, held: &Holdings, returning: bool) -> Vec<Requirement> {
    let mut needed: Vec<_> = held.bindings.iter().map(|binding| revoke(binding.name.as_str())).collect();
    for edge in &held.groups {
        let (group, member) = (edge.group.as_str(), edge.member_text());
        if returning {
            needed.push(join_group(group, member));
        } else if call.call.actor != member {
            needed.push(leave_group(group, member));
        }
    }
    needed
}
