//! The service of role models.

use api::rolecatalog::v1::{
    self as proto, GetRoleModelRequest, ListRoleModelsRequest, ListRoleModelsResponse, PushRoleModelRequest,
    role_model_service_server::RoleModelService,
};
use client::guard::{Ask, known, platform};
use ledger::{Ledger, StoreError};
use service::{change::Opened, listing::Rows};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    RoleCatalog, feed,
    role_model::{Heading, Pushed, RoleModelName, push},
    status::Error,
    store,
    wire::role_model::{read_get, read_list, read_push, write, write_heading},
};

#[async_trait]
impl RoleModelService for RoleCatalog {
    async fn push_role_model(&self, request: Request<PushRoleModelRequest>) -> Result<Response<proto::RoleModel>, Status> {
        let (call, source) = read_push(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        // Who may not push has nothing read. Of which role model the document is stands in it, so the permit that is spent comes later.
        self.service.permit_to_write(&call.call, Ask::writing(call.call.actor.as_str()).to(platform())).await?;
        // No locks are held while a document is checked.
        let document = self.checking.read(source, call.call.deadline).await?;
        let name = RoleModelName::of_id(&document.model);
        let mut change = match self.service.open(&call, Ask::writing(name.as_str()).to(platform())).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let revision = match push(change.connection(), document, change.now()).await? {
            Pushed::Added(revision) => {
                change.put(feed::role_model_revision(&revision)?);
                change.audit("roleModels.push", name.as_str(), None, Some(revision.audited()));
                revision
            }
            Pushed::Unchanged(revision) => revision,
        };
        change.answer(write(&revision)?).await
    }

    async fn get_role_model(&self, request: Request<GetRoleModelRequest>) -> Result<Response<proto::RoleModel>, Status> {
        let (call, name, number) = read_get(&request)?;
        self.permit_known(&call, &name).await?;
        let revision = match number {
            0 => self.latest(&name).await?,
            number => {
                let found = self.revisions.find(self.service.ledger().reader(), &name, number).await.map_err(Error::from)?;
                found.ok_or_else(|| Error::not_found(format!("{name}/revisions/{number}")))?
            }
        };
        Ok(Response::new(proto::RoleModel { revision: self.service.head().await?, ..write(&revision)? }))
    }

    async fn list_role_models(&self, request: Request<ListRoleModelsRequest>) -> Result<Response<ListRoleModelsResponse>, Status> {
        let (call, page) = read_list(&self.service, &request)?;
        // Role models are in no tree; none of them is asked about.
        self.service.permit(&call, Ask::writing(call.actor.as_str()).to(known())).await?;
        let listed = self.service.list(&page, &Headings).await?;
        let role_models =
            listed.rows.iter().map(|row| proto::RoleModel { revision: listed.revision.clone(), ..write_heading(row) }).collect();
        Ok(Response::new(ListRoleModelsResponse { role_models, next_page_token: listed.next_page_token, revision: listed.revision }))
    }
}

/// All role models.
struct Headings;

impl Rows for Headings {
    type Row = Heading;

    async fn fetch(&self, ledger: &Ledger, after: Option<&str>, limit: u64) -> Result<Vec<Heading>, StoreError> {
        store::role_model::page(ledger.reader(), after.map(RoleModelName::of_id).as_ref(), limit).await
    }

    fn key(row: &Heading) -> &str {
        row.name.id()
    }
}
