//! `tenantry.authz.v1.PermitService`.

use api::{
    authz::v1::{FilterPermittedRequest, FilterPermittedResponse, GetPermitRequest, Permit, permit_service_server::PermitService},
    error::v1::Reason,
};
use chassis::{Deadline, identity, refuse};
use tonic::{Code, Request, Response, Status};

use crate::{
    Authz,
    grant::{grant, permitted},
    status, wire,
};

/// Permits tell of trees what only those may know who write them.
const ALLOWED: [&str; 2] = ["services/directory", "services/role-catalog"];

fn is_allowed<T>(request: &Request<T>) -> Result<(), Status> {
    let caller = &identity::of(request)?.caller;
    if ALLOWED.contains(&caller.as_str()) {
        return Ok(());
    }
    Err(refuse(Code::PermissionDenied, Reason::NotAllowed, "permits are for Tenantry's own services; ask `CheckService`")
        .metadata("caller", caller)
        .status())
}

#[tonic::async_trait]
impl PermitService for Authz {
    async fn get_permit(&self, request: Request<GetPermitRequest>) -> Result<Response<Permit>, Status> {
        is_allowed(&request)?;
        let deadline = Deadline::of(&request);
        let (ask, consistency) = wire::read_get_permit(request.into_inner())?;
        let world = self.world(consistency, deadline).await?;
        let granted = grant(&world, &self.settings.platform_actor, ask, self.replica.now()).map_err(status::refused)?;
        Ok(Response::new(wire::write_permit(&granted, world.token())))
    }

    async fn filter_permitted(&self, request: Request<FilterPermittedRequest>) -> Result<Response<FilterPermittedResponse>, Status> {
        is_allowed(&request)?;
        let deadline = Deadline::of(&request);
        let (filter, consistency) = wire::read_filter(request.into_inner())?;
        let world = self.world(consistency, deadline).await?;
        let nodes = permitted(world.view(), &self.settings.platform_actor, filter, self.replica.now());
        Ok(Response::new(FilterPermittedResponse { nodes: nodes.iter().map(ToString::to_string).collect() }))
    }
}
