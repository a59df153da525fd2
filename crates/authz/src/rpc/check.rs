//! `tenantry.authz.v1.CheckService`.

use std::collections::BTreeMap;

use api::authz::v1::{
    BatchCheckRequest, BatchCheckResponse, CheckRequest, CheckResponse, ExplainRequest, ExplainResponse, ListPermissionsRequest,
    ListPermissionsResponse, ListResourcesRequest, ListResourcesResponse, check_service_server::CheckService,
};
use chassis::{Deadline, identity};
use decision::{
    decide::{decide, permissions_of},
    decision::{Invalid, Query},
    explain::explain,
    reach::{Scope, resources},
};
use tonic::{Request, Response, Status};

use crate::{Authz, asker::Asker, status, wire};

#[tonic::async_trait]
impl CheckService for Authz {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let (asker, deadline) = (Asker::of(&request, &self.settings)?, Deadline::of(&request));
        let (query, consistency) = wire::read_check(request.into_inner())?;
        asker.may_ask_about(&query.user)?;
        let (world, now) = (self.world(consistency, deadline).await?, self.replica.now());
        let decided = asker.told(world.view(), &query, decide(world.view(), &query, now), now).map_err(|error| status::invalid(&error))?;
        Ok(Response::new(CheckResponse { decision: Some(wire::write_decision(&decided)), revision: world.token().to_string() }))
    }

    async fn batch_check(&self, request: Request<BatchCheckRequest>) -> Result<Response<BatchCheckResponse>, Status> {
        let (asker, deadline) = (Asker::of(&request, &self.settings)?, Deadline::of(&request));
        let (queries, consistency) = wire::read_batch_check(request.into_inner())?;
        for query in queries.iter().flatten() {
            asker.may_ask_about(&query.user)?;
        }
        let (world, now) = (self.world(consistency, deadline).await?, self.replica.now());
        let results = queries.into_iter().map(|query| {
            let query = query.map_err(wire::write_malformed)?;
            asker.told(world.view(), &query, decide(world.view(), &query, now), now).map_err(|error| wire::write_invalid(&error))
        });
        Ok(Response::new(BatchCheckResponse { results: results.map(wire::write_result).collect(), revision: world.token().to_string() }))
    }

    async fn list_permissions(&self, request: Request<ListPermissionsRequest>) -> Result<Response<ListPermissionsResponse>, Status> {
        let (asker, deadline) = (Asker::of(&request, &self.settings)?, Deadline::of(&request));
        let (query, consistency) = wire::read_list_permissions(request.into_inner())?;
        asker.may_ask_about(&query.user)?;
        let (world, now) = (self.world(consistency, deadline).await?, self.replica.now());
        let Query { user, resource, attributes, .. } = &query;
        let listed = match permissions_of(world.view(), user, resource, attributes, now) {
            Ok(listed) => listed,
            // What a place is like is not told to whom it is foreign.
            Err(_) if asker.is_stranger(world.view(), &query, now) => Vec::new(),
            Err(error) => return Err(status::invalid(&error)),
        };
        Ok(Response::new(wire::write_permissions(listed, world.token())))
    }

    async fn list_resources(&self, request: Request<ListResourcesRequest>) -> Result<Response<ListResourcesResponse>, Status> {
        let (asker, deadline) = (Asker::of(&request, &self.settings)?, Deadline::of(&request));
        let identity = identity::of(&request)?.clone();
        let ((listing, pages), consistency) = wire::read_list_resources(request.into_inner(), &identity)?;
        asker.may_ask_about(&listing.user)?;
        let (world, now) = (self.world(consistency, deadline).await?, self.replica.now());
        if let Some(under) = &listing.under {
            let (user, permission) = (listing.user.clone(), listing.permission.clone());
            let query = Query { user, permission, resource: under.clone(), attributes: BTreeMap::new() };
            let asked = asker.told(world.view(), &query, decide(world.view(), &query, now), now);
            if let Err(error @ Invalid::UnknownPermission { .. }) = asked {
                return Err(status::invalid(&error));
            }
        }
        let scope =
            Scope { container: listing.container, under: listing.under.as_ref(), after: listing.after.as_deref(), limit: listing.limit };
        let reached = resources(world.view(), &listing.user, &listing.permission, &scope, now);
        Ok(Response::new(wire::write_resources(&reached, &pages, world.token())))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let (asker, deadline) = (Asker::of(&request, &self.settings)?, Deadline::of(&request));
        let (query, consistency) = wire::read_explain(request.into_inner())?;
        asker.may_ask_about(&query.user)?;
        let (world, now) = (self.world(consistency, deadline).await?, self.replica.now());
        if asker.is_stranger(world.view(), &query, now) {
            let decided =
                asker.told(world.view(), &query, decide(world.view(), &query, now), now).map_err(|error| status::invalid(&error))?;
            let revision = world.token().to_string();
            return Ok(Response::new(ExplainResponse {
                decision: Some(wire::write_decision(&decided)),
                revision,
                ..ExplainResponse::default()
            }));
        }
        let why = explain(world.view(), &query, now).map_err(|error| status::invalid(&error))?;
        Ok(Response::new(wire::write_explanation(world.view(), &why, world.token())))
    }
}
