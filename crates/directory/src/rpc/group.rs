//! The handlers of groups.

use api::directory::v1::{self as proto, group_service_server::GroupService};
use client::guard::{Ask, join_group, leave_group, myself, permission, revoke};
use service::change::{Answer, Opened};
use tonic::{Request, Response, Status, async_trait};

use super::{ATTEMPTS, outrun};
use crate::{Directory, group, status::Error, store, wire::group as wire};

#[async_trait]
impl GroupService for Directory {
    async fn create_group(&self, request: Request<proto::CreateGroupRequest>) -> Result<Response<proto::Group>, Status> {
        let (call, name, display_name) = wire::read_create(&request)?;
        let organization = name.organization();
        let ask = Ask::writing(organization.as_str()).to(permission("groups.create", organization.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let group = group::create(&mut change, name, display_name).await?;
        change.answer(wire::write(&group)).await
    }

    async fn get_group(&self, request: Request<proto::GetGroupRequest>) -> Result<Response<proto::Group>, Status> {
        let (call, name) = wire::read_get(&request)?;
        let organization = name.organization();
        self.service.permit(&call, Ask::writing(organization.as_str()).to(permission("groups.get", organization.as_str()))).await?;
        let found = store::group::find(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
        let mut answer = wire::write(&found.ok_or_else(|| Error::not_found(name.as_str()))?);
        answer.stamp(&self.service.head().await?);
        Ok(Response::new(answer))
    }

    async fn list_groups(&self, request: Request<proto::ListGroupsRequest>) -> Result<Response<proto::ListGroupsResponse>, Status> {
        let (call, page, filter) = wire::read_list(&self.service, &request)?;
        let organization = &filter.organization;
        self.service.permit(&call, Ask::writing(organization.as_str()).to(permission("groups.get", organization.as_str()))).await?;
        let limit = page.size as u64 + 1;
        let mut found =
            store::group::page(self.service.ledger().reader(), &filter, page.after.as_deref(), limit).await.map_err(Error::from)?;
        let more = found.len() > page.size;
        found.truncate(page.size);
        let last = found.last().filter(|_| more).map(|group| filter.position(group));
        let next_page_token = self.service.next_page(&page, last.as_deref());
        let revision = self.service.head().await?;
        let groups = found.iter().map(|row| proto::Group { revision: revision.clone(), ..wire::write(row) }).collect();
        Ok(Response::new(proto::ListGroupsResponse { groups, next_page_token, revision }))
    }

    async fn update_group(&self, request: Request<proto::UpdateGroupRequest>) -> Result<Response<proto::Group>, Status> {
        let (call, name, display_name, etag) = wire::read_update(&request)?;
        let organization = name.organization();
        let ask = Ask::writing(organization.as_str()).to(permission("groups.update", organization.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let group = group::rename(&mut change, &name, display_name, etag).await?;
        change.answer(wire::write(&group)).await
    }

    async fn delete_group(&self, request: Request<proto::DeleteGroupRequest>) -> Result<Response<proto::Group>, Status> {
        let (call, name, etag) = wire::read_delete(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        let organization = name.organization();
        for _ in 0..ATTEMPTS {
            let holdings = store::group::holdings(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
            let ask = Ask::writing(organization.as_str()).to(permission("groups.delete", organization.as_str()));
            let ask = holdings.own(&name).fold(ask, |ask, binding| ask.to(revoke(binding.name.as_str())));
            let ask = holdings.partners(&name).into_iter().fold(ask, |ask, partner| ask.also_writing(partner.as_str()));
            let ask = holdings.containers.iter().fold(ask, |ask, edge| ask.to(leave_group(edge.group.as_str(), edge.member_text())));
            let mut change = match self.service.open(&call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            if let Some(group) = group::delete(&mut change, &name, etag, &holdings).await? {
                return change.answer(wire::write(&group)).await;
            }
        }
        Err(outrun())
    }

    async fn add_group_member(&self, request: Request<proto::AddGroupMemberRequest>) -> Result<Response<proto::GroupMember>, Status> {
        let (call, edge) = wire::read_add(&request)?;
        let organization = edge.organization();
        let ask = Ask::writing(organization.as_str())
            .to(permission("groups.update", organization.as_str()))
            .to(join_group(edge.group.as_str(), edge.member_text()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        group::add(&mut change, &edge).await?;
        change.answer(wire::write_edge(&edge)).await
    }

    async fn remove_group_member(&self, request: Request<proto::RemoveGroupMemberRequest>) -> Result<Response<proto::GroupMember>, Status> {
        let (call, edge) = wire::read_remove(&request)?;
        let organization = edge.organization();
        let ask = Ask::writing(organization.as_str());
        let ask = if call.call.actor == edge.member_text() {
            ask.to(myself(edge.member_text()))
        } else {
            ask.to(permission("groups.update", organization.as_str())).to(leave_group(edge.group.as_str(), edge.member_text()))
        };
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        group::remove(&mut change, &edge).await?;
        change.answer(wire::write_edge(&edge)).await
    }

    async fn list_group_members(
        &self,
        request: Request<proto::ListGroupMembersRequest>,
    ) -> Result<Response<proto::ListGroupMembersResponse>, Status> {
        let (call, page, name) = wire::read_list_members(&self.service, &request)?;
        let organization = name.organization();
        self.service.permit(&call, Ask::writing(organization.as_str()).to(permission("groups.get", organization.as_str()))).await?;
        let reader = self.service.ledger().reader();
        store::group::find(reader, &name).await.map_err(Error::from)?.ok_or_else(|| Error::not_found(name.as_str()))?;
        let limit = page.size as u64 + 1;
        let mut found = store::group::edge_page(reader, &name, page.after.as_deref(), limit).await.map_err(Error::from)?;
        let more = found.len() > page.size;
        found.truncate(page.size);
        let last = found.last().filter(|_| more).map(group::Edge::member_text);
        let next_page_token = self.service.next_page(&page, last.as_deref());
        let revision = self.service.head().await?;
        let group_members = found.iter().map(|edge| proto::GroupMember { revision: revision.clone(), ..wire::write_edge(edge) }).collect();
        Ok(Response::new(proto::ListGroupMembersResponse { group_members, next_page_token, revision }))
    }
}
