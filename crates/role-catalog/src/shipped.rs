//! The role models that come with the product.

use std::time::Duration;

use decision::{document::Document, validate::Finding};
use ledger::{Begun, SystemAuthority, WriteRequest};
use service::Service;
use tokio::time::{Instant, sleep};

use crate::{
    document::Source,
    feed,
    role_model::{Pushed, RoleModelName, push},
    status::Error,
    store,
    wire::role_model::PUSH,
};

const MODELS: [(&str, &str); 5] = [
    ("agency", include_str!("../models/agency.yaml")),
    ("ad-platform", include_str!("../models/ad-platform.yaml")),
    ("media-marketplace", include_str!("../models/media-marketplace.yaml")),
    ("brand-studio", include_str!("../models/brand-studio.yaml")),
    ("campaign-studio", include_str!("../models/campaign-studio.yaml")),
];

/// The product, as a caller of itself.
const CALLER: &str = "services/role-catalog";

/// How long others may be in the way.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the role models that come with the product were not added.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// A fault of the product: one of them is not valid.
    #[error("the role model `{model}` that comes with the product is not valid: {findings}")]
    Invalid {
        /// Which.
        model: &'static str,
        /// What is wrong with it.
        findings: String,
    },
    /// The ledger did not write.
    #[error("the role model `{model}` that comes with the product was not added: {cause}")]
    Ledger {
        /// Which.
        model: &'static str,
        /// Why not.
        cause: ledger::Error,
    },
}

pub(crate) async fn ship(service: &Service) -> Result<(), ShipError> {
    for (model, yaml) in MODELS {
        let document = read(model, yaml)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match ship_one(service, document.clone(), deadline).await {
                Ok(()) => break,
                Err(Error::Ledger(ledger::Error::Busy { retry_after })) if Instant::now() + retry_after < deadline => {
                    sleep(retry_after).await
                }
                Err(Error::Ledger(cause)) => return Err(ShipError::Ledger { model, cause }),
                Err(error) => return Err(ShipError::Invalid { model, findings: error.to_string() }),
            }
        }
    }
    Ok(())
}

fn read(model: &'static str, yaml: &str) -> Result<Document, ShipError> {
    match Source::Yaml(yaml.to_owned()).read() {
        Ok(document) if document.model == model => Ok(document),
        Ok(document) => Err(ShipError::Invalid { model, findings: format!("it calls itself `{}`", document.model) }),
        Err(Error::InvalidRoleModel(findings)) => {
            let findings: Vec<String> = findings.iter().map(Finding::to_string).collect();
            Err(ShipError::Invalid { model, findings: findings.join("; ") })
        }
        Err(error) => Err(ShipError::Invalid { model, findings: error.to_string() }),
    }
}

async fn ship_one(service: &Service, document: Document, deadline: Instant) -> Result<(), Error> {
    let name = RoleModelName::of_id(&document.model);
    if store::role_model::has(service.ledger().reader(), &document).await? {
        return Ok(());
    }
    let request = WriteRequest {
        caller: CALLER.to_owned(),
        actor: String::new(),
        method: PUSH,
        request_id: None,
        body_hash: [0; 32],
        validate_only: false,
        deadline,
    };
    let Begun::Open(mut write) = service.ledger().begin(request, SystemAuthority { written: vec![name.to_string()] }).await? else {
        // Only a request with an id is answered from the log.
        return Ok(());
    };
    // Another process may have added it before this one had the lock.
    if store::role_model::has(write.connection(), &document).await? {
        return Ok(());
    }
    if let Pushed::Added(revision) = push(write.connection(), document, service.now()).await? {
        write.put(feed::role_model_revision(&revision)?);
        write.audit(revision.audit_entry());
        write.commit(&[]).await?;
        tracing::info!(role_model = %name, revision = revision.number, "added a role model that comes with the product");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_that_comes_with_the_product_is_valid() {
        for (model, yaml) in MODELS {
            if let Err(error) = read(model, yaml) {
                panic!("{error}");
            }
        }
    }
}
