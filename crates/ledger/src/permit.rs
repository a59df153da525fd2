//! A permit of authz as the authority of a write.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use client::{guard::Permit, token::Token};
use tokio::time::Instant;

use crate::authority::{Authority, Stamp};

/// A permit that is about to be spent.
#[derive(Clone, Debug)]
pub struct Permitted {
    permit: Permit,
    stamps: Vec<Stamp>,
}

impl Permitted {
    /// The permit, as it was last renewed: its terms are those of the trees as they are locked.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }
}

impl From<Permit> for Permitted {
    fn from(permit: Permit) -> Self {
        let stamps = stamps(&permit);
        Self { permit, stamps }
    }
}

fn stamps(permit: &Permit) -> Vec<Stamp> {
    permit.granted().stamps.iter().map(|stamp| Stamp { tree: stamp.tree.clone(), revision: stamp.revision }).collect()
}

#[async_trait]
impl Authority for Permitted {
    fn written(&self) -> &[String] {
        &self.permit.granted().written
    }

    fn stamps(&self) -> &[Stamp] {
        &self.stamps
    }

    fn expires_at(&self) -> Option<DateTime<Utc>> {
        let end = self.permit.granted().expire_time.as_ref()?;
        // A time that cannot be read has passed: the permit is then asked for again.
        let nanos = u32::try_from(end.nanos).unwrap_or_default();
        Some(DateTime::from_timestamp(end.seconds, nanos).unwrap_or(DateTime::UNIX_EPOCH))
    }

    async fn renew(&mut self, at_least: Token, deadline: Instant) -> Result<(), tonic::Status> {
        self.permit.renew(at_least, deadline).await?;
        self.stamps = stamps(&self.permit);
        Ok(())
    }
}
