//! The handler of the audit trail.

use api::directory::v1::{ListAuditEntriesRequest, ListAuditEntriesResponse, audit_service_server::AuditService};
use client::guard::{Ask, permission, platform};
use prost::Message;
use service::status::ledger_status;
use tonic::{Request, Response, Status, async_trait};

use crate::{
    Directory,
    wire::audit::{Parent, read_list, write, write_place},
};

/// A page ends early when it has so many bytes: clients accept answers of 4 MiB.
const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;

#[async_trait]
impl AuditService for Directory {
    async fn list_audit_entries(&self, request: Request<ListAuditEntriesRequest>) -> Result<Response<ListAuditEntriesResponse>, Status> {
        let (call, page, parent, query) = read_list(&self.service, &request)?;
        let ask = match &parent {
            // Of no tree: nothing is written, so nothing is locked.
            Parent::Everything => Ask::writing(call.actor.as_str()).to(platform()),
            Parent::OutsideTrees(name) => Ask::writing(name.as_str()).to(platform()),
            Parent::Node(node) => Ask::writing(node.as_str()).to(permission("audit.get", node.as_str())),
        };
        self.service.permit(&call, ask).await?;
        let found = self.service.ledger().audit_trail(&query).await.map_err(ledger_status)?;
        let (mut audit_entries, mut next, mut bytes) = (Vec::new(), found.next, 0);
        for record in &found.records {
            let entry = write(record);
            bytes += entry.encoded_len();
            if bytes > MAX_PAGE_BYTES && !audit_entries.is_empty() {
                next = audit_entries.last().map(|last: &api::directory::v1::AuditEntry| (last.commit, last.entry));
                break;
            }
            audit_entries.push(entry);
        }
        let next_page_token = self.service.next_page(&page, next.map(write_place).as_deref());
        Ok(Response::new(ListAuditEntriesResponse { audit_entries, next_page_token, revision: self.service.head().await? }))
    }
}
