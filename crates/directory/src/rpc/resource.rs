//! The service of registered resources.

use api::directory::v1::{
    self as proto, CreateResourceRequest, DeleteResourceRequest, DeleteResourceResponse, GetResourceRequest, ListResourcesRequest,
    ListResourcesResponse, UpdateResourceRequest, resource_service_server::ResourceService,
};
use client::guard::{Ask, known, permission};
use decision::name::NodeName;
use ledger::{Ledger, StoreError};
use service::{
    change::{Change, Opened},
    fields::Etag,
    listing::Rows,
};
use tonic::{Request, Response, Status, async_trait};

use super::{open_below, outrun};
use crate::{
    Directory, assign, feed, invitation,
    resource::Resource,
    status::Error,
    store::{self, resource::ResourceFilter},
    wire::{self, resource::write},
};

#[async_trait]
impl ResourceService for Directory {
    async fn create_resource(&self, request: Request<CreateResourceRequest>) -> Result<Response<proto::Resource>, Status> {
        let (call, name, attributes) = wire::resource::read_create(&request)?;
        let resource = Resource::new(name, attributes, self.service.now());
        let container = resource.name.leaf_parent().ok_or_else(|| Error::not_found(resource.name.as_str()))?;
        // With the resource as it shall be, authz sees whether the role model declares the collection and the attributes.
        let ask = Ask::writing(container.as_str()).to(permission("resources.create", container.as_str())).given(feed::resource(&resource));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        open_below(&change, &container).await?;
        if store::resource::find(change.connection(), &resource.name).await.map_err(Error::from)?.is_some() {
            return Err(Error::AlreadyExists { name: resource.name.to_string() }.into());
        }
        store::resource::insert(change.connection(), &resource).await.map_err(Error::from)?;
        change.put(feed::resource(&resource));
        change.audit("resources.create", resource.name.as_str(), None, Some(resource.audited()));
        change.answer(write(&resource)).await
    }

    async fn get_resource(&self, request: Request<GetResourceRequest>) -> Result<Response<proto::Resource>, Status> {
        let (call, name) = wire::resource::read_get(&request)?;
        self.service.permit(&call, Ask::writing(name.as_str()).to(permission("resources.get", name.as_str()))).await?;
        let resource = store::resource::find(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
        let resource = resource.ok_or_else(|| Error::not_found(name.as_str()))?;
        Ok(Response::new(proto::Resource { revision: self.service.head().await?, ..write(&resource) }))
    }

    async fn list_resources(&self, request: Request<ListResourcesRequest>) -> Result<Response<ListResourcesResponse>, Status> {
        let (call, page, filter) = wire::resource::read_list(&self.service, &request)?;
        let container = filter.container.as_str();
        self.service.permit(&call, Ask::writing(container).to(permission("resources.get", container))).await?;
        let listed = self.service.list(&page, &filter).await?;
        let resources = listed.rows.iter().map(|row| proto::Resource { revision: listed.revision.clone(), ..write(row) }).collect();
        Ok(Response::new(ListResourcesResponse { resources, next_page_token: listed.next_page_token, revision: listed.revision }))
    }

    async fn update_resource(&self, request: Request<UpdateResourceRequest>) -> Result<Response<proto::Resource>, Status> {
        let (call, name, attributes, etag) = wire::resource::read_update(&request)?;
        let ask = Ask::writing(name.as_str()).to(permission("resources.update", name.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = present(&change, &name, etag).await?;
        let after = before.with_attributes(attributes, change.now());
        // A permit of its own, not part of the one above: were the permission decided with the new attributes, the actor could choose those
        // under which it is given.
        let checked = self.service.permit(&call.call, Ask::writing(name.as_str()).to(known()).given(feed::resource(&after))).await?;
        if checked.granted().role_model.is_empty() {
            // A replica of authz that has not heard of the tree yet has checked nothing.
            return Err(outrun());
        }
        store::resource::update(change.connection(), &after).await.map_err(Error::from)?;
        change.put(feed::resource(&after));
        change.audit("resources.update", name.as_str(), Some(before.audited()), Some(after.audited()));
        change.answer(write(&after)).await
    }

    async fn delete_resource(&self, request: Request<DeleteResourceRequest>) -> Result<Response<DeleteResourceResponse>, Status> {
        let (call, name, etag) = wire::resource::read_delete(&request)?;
        let ask = Ask::writing(name.as_str()).to(permission("resources.delete", name.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = present(&change, &name, etag).await?;
        let after = before.ended(change.now());
        store::resource::update(change.connection(), &after).await.map_err(Error::from)?;
        change.put(feed::resource(&after));
        change.audit("resources.delete", name.as_str(), Some(before.audited()), Some(after.audited()));
        let bindings = store::role_binding::at_node(change.connection(), &name).await.map_err(Error::from)?;
        assign::take(&mut change, &bindings).await?;
        invitation::end_at_or_below(&mut change, &name).await?;
        let removed_bindings = bindings.iter().map(|binding| binding.name.to_string()).collect();
        change.answer(DeleteResourceResponse { resource: Some(write(&after)), removed_bindings }).await
    }
}

/// The resource as it is, if it is as the client has seen it and can be changed.
async fn present(change: &Change, name: &NodeName, etag: Etag) -> Result<Resource, Error> {
    let resource = store::resource::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    resource.expect(etag)?;
    Ok(resource)
}

impl Rows for ResourceFilter {
    type Row = Resource;

    async fn fetch(&self, ledger: &Ledger, after: Option<&str>, limit: u64) -> Result<Vec<Resource>, StoreError> {
        store::resource::page(ledger.reader(), self, after, limit).await
    }

    fn key(row: &Resource) -> &str {
        row.name.as_str()
    }
}
