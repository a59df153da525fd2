//! Tells that something was committed. Only wakes: what was committed is read from the log, and polled for where no word arrives.

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

const CHANNEL: &str = "tenantry_feed";

#[derive(Default)]
pub(crate) struct Wake {
    /// The tail of this process has something to read.
    pub(super) tail: Notify,
    /// Other processes are to be told.
    others: Notify,
}

impl Wake {
    /// A commit has taken place.
    pub(crate) fn committed(&self) {
        self.tail.notify_one();
        self.others.notify_one();
    }

    /// Tells the other processes of commits, several by one NOTIFY when they come fast. Not within the writes' transactions: a
    /// transaction that notifies takes a lock on the whole database to commit.
    pub(crate) async fn notify_others(wake: Arc<Self>, pool: PgPool, ended: CancellationToken) {
        while ended.run_until_cancelled(wake.others.notified()).await.is_some() {
            // They poll as well, so a failure delays only.
            let told = ended.run_until_cancelled(sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&pool)).await;
            if let Some(Err(error)) = told {
                tracing::debug!(%error, "NOTIFY failed");
            }
        }
    }

    /// Wakes this process's tail when another has committed.
    pub(super) async fn listen(wake: Arc<Self>, pool: PgPool, ended: CancellationToken) {
        let listening = async {
            loop {
                if let Err(error) = listen_once(&wake, &pool).await {
                    tracing::debug!(%error, "LISTEN failed; listening again");
                }
                sleep(Duration::from_secs(1)).await;
            }
        };
        ended.run_until_cancelled(listening).await;
    }
}

async fn listen_once(wake: &Wake, pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // None: the connection was lost, and whatever came meanwhile; it listens again, and the tail reads.
        listener.try_recv().await?;
        wake.tail.notify_one();
    }
}
