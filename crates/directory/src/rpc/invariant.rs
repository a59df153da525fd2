//! The handler that looks for what breaks invariants.

use std::collections::BTreeMap;

use api::directory::v1::{self as proto, invariant_service_server::InvariantService};
use client::guard::{Ask, platform};
use service::call::Call;
use tonic::{Code, Request, Response, Status, async_trait};

use super::ATTEMPTS;
use crate::{
    Directory,
    inspection::{Found, Inspected, ModelRoles, Models, Place, inspect},
    organization::Pinned,
    status::Error,
    wire::invariant as wire,
};

#[async_trait]
impl InvariantService for Directory {
    async fn audit_invariants(
        &self,
        request: Request<proto::AuditInvariantsRequest>,
    ) -> Result<Response<proto::AuditInvariantsResponse>, Status> {
        let (call, page) = wire::read_audit(&self.service, &request)?;
        // Of no tree: nothing is written, so nothing is locked.
        self.service.permit(&call, Ask::writing(call.actor.as_str()).to(platform())).await?;
        let from = page.after.as_deref().and_then(|place| place.parse().ok()).unwrap_or(Place::START);
        let found = self.inspected(&call, &from, page.size).await?;
        let next = found.next.as_ref().map(ToString::to_string);
        let next_page_token = self.service.next_page(&page, next.as_deref());
        Ok(Response::new(wire::write(found, next_page_token, self.service.head().await?)))
    }
}

impl Directory {
    /// Looks at some rows, all of one moment. Which role models they are of is seen when they are read, and asked for between two readings.
    async fn inspected(&self, call: &Call, from: &Place, most: usize) -> Result<Found, Status> {
        let mut models = Models::new();
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        for _ in 0..ATTEMPTS {
            let rows = self.service.ledger().snapshot().await.map_err(Error::from)?;
            let inspected = inspect(&rows, from, most, &models, self.service.now()).await?;
            drop(rows);
            match inspected {
                Inspected::Found(found) => return Ok(found),
                Inspected::Unknown(roots) => {
                    for root in roots {
                        // Twice, for what is pinned may have changed between two readings; then authz does not know what the row says.
                        let times = asked.entry(root.clone()).or_default();
                        *times += 1;
                        let told = if *times <= 2 { self.model_of(call, &root).await? } else { None };
                        models.insert(root, told);
                    }
                }
            }
        }
        Err(super::outrun())
    }

    /// The roles of the role model of a tree, as authz knows them; none if it knows no such tree.
    async fn model_of(&self, call: &Call, root: &str) -> Result<Option<ModelRoles>, Status> {
        let head = self.service.ledger().head().await.map_err(Error::from)?;
        let rules = match self.service.guard().tree_rules(root, head, call.deadline.instant()).await {
            Ok(rules) => rules,
            Err(status) if matches!(status.code(), Code::NotFound | Code::PermissionDenied) => return Ok(None),
            Err(status) => return Err(status),
        };
        let model = rules.role_model.strip_prefix("roleModels/").unwrap_or(&rules.role_model).to_owned();
        let pinned = Pinned { model, revision: rules.role_model_revision };
        Ok(Some(ModelRoles { pinned, roles: rules.roles.into_iter().map(|terms| (terms.role.clone(), terms)).collect() }))
    }
}
