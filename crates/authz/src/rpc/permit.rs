//! `tenantry.authz.v1.PermitService`.

use api::{
    authz::v1::{
        FilterPermittedRequest, FilterPermittedResponse, GetPermitRequest, GetTreeRulesRequest, ListAssignableRolesRequest,
        ListAssignableRolesResponse, ListPermittedRequest, ListPermittedResponse, ListStandingsRequest, ListStandingsResponse, Permit,
        PreviewAccessRequest, PreviewAccessResponse, TreeRules, permit_service_server::PermitService,
    },
    error::v1::Reason,
};
use chassis::{Deadline, identity, refuse};
use decision::{
    permit::assignable,
    preview::compare,
    reach::{Scope, all, resources},
    roster::{participation, reaching, standings},
};
use tonic::{Code, Request, Response, Status};

use crate::{
    Authz,
    grant::{Refused, actor_of, grant, permitted},
    hypothesis::suppose,
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

    async fn list_permitted(&self, request: Request<ListPermittedRequest>) -> Result<Response<ListPermittedResponse>, Status> {
        is_allowed(&request)?;
        let deadline = Deadline::of(&request);
        let (listing, consistency) = wire::read_list_permitted(request.into_inner())?;
        let world = self.world(consistency, deadline).await?;
        let wire::Listing { user, permission, container, under, after, limit } = &listing;
        let scope = Scope { container: *container, under: under.as_ref(), after: after.as_deref(), limit: *limit };
        let reached = if *user == self.settings.platform_actor {
            all(world.view(), &scope)
        } else {
            resources(world.view(), user, permission, &scope, self.replica.now())
        };
        Ok(Response::new(wire::write_permitted(&reached)))
    }

    async fn list_assignable_roles(
        &self,
        request: Request<ListAssignableRolesRequest>,
    ) -> Result<Response<ListAssignableRolesResponse>, Status> {
        is_allowed(&request)?;
        let deadline = Deadline::of(&request);
        let ((actor, offer), consistency) = wire::read_list_assignable(request.into_inner())?;
        let world = self.world(consistency, deadline).await?;
        let actor = actor_of(world.view(), &actor, &self.settings.platform_actor).ok_or_else(|| status::refused(Refused::NobodyKnown))?;
        let listed = assignable(world.view(), &actor, &offer, self.replica.now()).map_err(|refusal| status::refusal(&refusal).status())?;
        Ok(Response::new(wire::write_assignable(world.view(), &offer.node, &listed, world.token())))
    }

    async fn preview_access(&self, request: Request<PreviewAccessRequest>) -> Result<Response<PreviewAccessResponse>, Status> {
        is_allowed(&request)?;
        let deadline = Deadline::of(&request);
        let (wire::Preview { hypothetical, nodes, most }, consistency) = wire::read_preview(request.into_inner())?;
        let world = self.world(consistency, deadline).await?;
        let supposed = suppose(world.view(), hypothetical).map_err(|unfit| status::refused(unfit.into()))?;
        let difference = compare(world.view(), &supposed.view, &nodes, most, self.replica.now());
        Ok(Response::new(wire::write_preview(difference, world.token())))
    }

    async fn list_standings(&self, request: Request<ListStandingsRequest>) -> Result<Response<ListStandingsResponse>, Status> {
        is_allowed(&request)?;
        let deadline = Deadline::of(&request);
        let (wire::Who { nodes, users, with_participations }, consistency) = wire::read_list_standings(request.into_inner())?;
        let world = self.world(consistency, deadline).await?;
        let (view, now) = (world.view(), self.replica.now());
        let pairs = users.iter().flat_map(|user| nodes.iter().map(move |node| (user, node)));
        let held = pairs.flat_map(|(user, node)| standings(view, user, node, now).into_iter().map(move |held| (user, node, held)));
        let reaching = match nodes.first() {
            Some(node) if users.is_empty() => reaching(view, node, now),
            _ => Vec::new(),
        };
        let place = nodes.first().filter(|_| with_participations);
        let participations = place.into_iter().flat_map(|node| users.iter().map(move |user| (user, participation(view, user, node, now))));
        Ok(Response::new(wire::write_standings(held, reaching, participations, world.token())))
    }

    async fn get_tree_rules(&self, request: Request<GetTreeRulesRequest>) -> Result<Response<TreeRules>, Status> {
        is_allowed(&request)?;
        let deadline = Deadline::of(&request);
        let (tree, consistency) = wire::read_tree_rules(request.into_inner())?;
        let world = self.world(consistency, deadline).await?;
        let pinned = world.view().model_of(&tree).ok_or_else(|| status::no_tree(&tree))?;
        Ok(Response::new(wire::write_tree_rules(&pinned, world.token())))
    }
}
