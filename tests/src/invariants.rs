//! What `AuditInvariants` finds.

use api::directory::v1::{AuditInvariantsRequest, InvariantViolation};
use client::session::Session;

/// Every present violation of an invariant.
pub async fn violations(platform: &Session) -> Vec<InvariantViolation> {
    let mut violations = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = AuditInvariantsRequest { page_size: 1000, page_token };
        let answer = platform.invariants().audit_invariants(request).await.expect("invariants can be audited").into_inner();
        violations.extend(answer.violations);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return violations;
        }
    }
}
