//! `tenantry demo`: a world for each of the five role models.

use std::{fmt::Write as _, io::Write as _, process::ExitCode};

use clap::Args;
use client::{
    session::Session,
    world::{LoadError, load},
};
use decision::world::World;

use crate::{
    Failure,
    address::{Address, OnBehalfOf, refusal},
};

/// The worlds, each of one system.
const WORLDS: [(&str, &str); 5] = [
    ("agency", include_str!("../demo/agency.yaml")),
    ("brand-studio", include_str!("../demo/brand-studio.yaml")),
    ("media-marketplace", include_str!("../demo/media-marketplace.yaml")),
    ("campaign-studio", include_str!("../demo/campaign-studio.yaml")),
    ("ad-platform", include_str!("../demo/ad-platform.yaml")),
];

/// Loads the demo world.
#[derive(Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    who: OnBehalfOf,
    #[command(flatten)]
    address: Address,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let loaded = load_all(&self.who.session(&self.address)?, &self.address.all()).await?;
        let text = format!("{loaded}{}", commands(&self.address.of_authz()));
        // Nobody may be reading any more; that is no reason to fail.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
        Ok(ExitCode::SUCCESS)
    }
}

/// Creates what is not there yet of all the demo worlds, as the platform, and says what there is now; `addresses` is where, for people.
pub(crate) async fn load_all(platform: &Session, addresses: &str) -> Result<String, Failure> {
    let mut done = String::new();
    for (name, text) in WORLDS {
        let world: World = serde_saphyr::from_str(text).map_err(|error| Failure::software(format!("demo world `{name}`: {error}")))?;
        load(platform, &world).await.map_err(|error| match error {
            LoadError::Refused { name: of, status } => {
                let Failure { message, code } = refusal(&status, addresses);
                Failure { message: format!("demo world `{name}`: `{of}`: {message}"), code }
            }
            error @ (LoadError::World(_) | LoadError::Unsendable { .. }) => Failure::software(format!("demo world `{name}`: {error}")),
        })?;
        tracing::info!(world = name, "loaded the demo world");
        let _ = writeln!(done, "tenantry: demo world `{name}` is there");
    }
    Ok(done)
}

/// What to try once the demo world is there: each line that is indented is a command.
pub(crate) fn commands(address: &str) -> String {
    let binary = std::env::args().next().unwrap_or_else(|| "tenantry".to_owned());
    let host = address.trim_start_matches("http://");
    let launch = "spotlight/workspaces/spring/campaigns/launch";
    format!(
        "tenantry: the demo world is loaded; try, in another terminal:
  {binary} check studio-owner campaigns.run_actual {launch} --address {address}
  {binary} explain studio-designer campaigns.run_actual {launch} --address {address}
  grpcurl -plaintext -d '{{\"user\": \"users/studio-designer\", \"resource\": \"organizations/{launch}\"}}' {host} tenantry.authz.v1.CheckService/ListPermissions
"
    )
}
