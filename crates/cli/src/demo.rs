//! `tenantry demo`: a world for each of the five role models.

use std::process::ExitCode;

use clap::Args;
use client::{session::Session, world::load};
use decision::world::World;

use crate::{Failure, address::Address};

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
    /// The user who acts for the platform, as the services are configured.
    #[arg(long, default_value = "users/platform", value_name = "USER")]
    platform_actor: String,
    #[command(flatten)]
    address: Address,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        load_all(&self.address.session()?, &self.platform_actor).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Creates what is not there yet of all the demo worlds.
pub(crate) async fn load_all(session: &Session, platform_actor: &str) -> Result<(), Failure> {
    let platform = session.on_behalf_of(platform_actor).map_err(|_| Failure::usage(format!("`{platform_actor}` is not a user's name")))?;
    for (name, text) in WORLDS {
        let world: World = serde_saphyr::from_str(text).map_err(|error| Failure::software(format!("demo world `{name}`: {error}")))?;
        load(&platform, &world).await.map_err(|error| Failure::unavailable(format!("demo world `{name}`: {error}")))?;
        tracing::info!(world = name, "loaded the demo world");
    }
    Ok(())
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
