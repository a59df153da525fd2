//! The calls to the feed's server.

use std::time::Duration;

use api::feed::v1::{
    GetHeadRequest, SnapshotRequest, SnapshotResponse, WatchRequest, WatchResponse, feed_service_client::FeedServiceClient,
};
use client::{guard::CALLER, token::Token};
use tokio::time::Instant;
use tonic::{
    Request, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use crate::assemble::{read_cursor, write_cursor};

/// Room for a page of records: the ledger's parts are at most 1 MiB, its pages a few of these.
const MOST_BYTES: usize = 16 << 20;

#[derive(Clone, Debug)]
pub(crate) struct Feed {
    client: FeedServiceClient<Channel>,
    caller: MetadataValue<Ascii>,
}

impl Feed {
    pub(crate) fn new(channel: Channel, caller: &'static str) -> Self {
        Self { client: FeedServiceClient::new(channel).max_decoding_message_size(MOST_BYTES), caller: MetadataValue::from_static(caller) }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert(CALLER, self.caller.clone());
        request
    }

    /// The position of the ledger's last commit.
    pub(crate) async fn head(&self, deadline: Instant) -> Result<Token, Status> {
        let mut request = self.request(GetHeadRequest {});
        // At least a millisecond: a timeout of zero would not be sent.
        request.set_timeout(deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
        let mut client = self.client.clone();
        let answer = tokio::time::timeout_at(deadline, client.get_head(request))
            .await
            .map_err(|_| Status::deadline_exceeded("the feed did not tell its head in time"))??;
        read_cursor(answer.into_inner().head.as_ref()).map_err(|error| Status::internal(error.to_string()))
    }

    pub(crate) async fn snapshot(&self) -> Result<Streaming<SnapshotResponse>, Status> {
        Ok(self.client.clone().snapshot(self.request(SnapshotRequest {})).await?.into_inner())
    }

    pub(crate) async fn watch(&self, from: Token) -> Result<Streaming<WatchResponse>, Status> {
        let request = self.request(WatchRequest { from: Some(write_cursor(from)) });
        Ok(self.client.clone().watch(request).await?.into_inner())
    }
}
