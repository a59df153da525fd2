//! What stands in front of every service: identity, a place, a deadline; behind it nothing runs without them.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use api::error::v1::Reason;
use futures::FutureExt;
use http::{Request, Response};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, body::Body, service::Routes};
use tower::ServiceExt;
use tracing::Instrument;

use crate::{
    answer::{Answer, Ends, Outcome, caught, going_away},
    config::ServerConfig,
    deadline::{Deadline, grpc_timeout},
    drain::Drain,
    identity::Identification,
    method::{Kind, Method, Methods},
    refusal::refuse,
    telemetry,
    unexplained::Explaining,
};

pub(crate) struct Admission {
    routes: Routes,
    methods: Methods,
    identification: Identification,
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    default_deadline: Duration,
    max_deadline: Duration,
    drain: Drain,
    /// Cancelled at the end of the drain: whatever still runs is answered UNAVAILABLE.
    over: CancellationToken,
}

impl Admission {
    pub(crate) fn new(
        config: &ServerConfig,
        routes: Routes,
        methods: Methods,
        identification: Identification,
        drain: Drain,
        over: CancellationToken,
    ) -> Self {
        Self {
            routes: routes.prepare(),
            methods,
            identification,
            calls: Arc::new(Semaphore::new(config.max_calls)),
            streams: Arc::new(Semaphore::new(config.max_streams)),
            default_deadline: config.default_deadline(),
            max_deadline: config.max_deadline(),
            drain,
            over,
        }
    }

    /// Answers one call. Whatever happens in it is a status, and recorded.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let method = self.methods.find(request.uri().path());
        let span = telemetry::call_span(&method.name, request.headers());
        let outcome = Outcome::begin(span.clone());
        // Health and reflection say what their protocols say.
        let explaining = (!method.is_built_in).then(|| Explaining::of(request.uri().clone()));
        let mut ends = Ends::default();
        let run = AssertUnwindSafe(self.run(&method, request, &mut ends)).catch_unwind();
        let response = match run.instrument(span).await {
            Ok(Ok(response)) => response,
            Ok(Err(status)) => status.into_http(),
            Err(panic) => caught(panic).into_http(),
        };
        Answer::wrap(response, ends, outcome, explaining)
    }

    async fn run(&self, method: &Method, mut request: Request<Body>, ends: &mut Ends) -> Result<Response<Body>, Status> {
        let mut place = None;
        if !method.is_health {
            let identity = self.identification.identify(request.headers())?;
            request.extensions_mut().insert(identity);
            place = Some(self.take_place(method)?);
        }

        let begun = Instant::now();
        let asked = grpc_timeout(request.headers())?;
        let deadline = Deadline::after(asked.unwrap_or(self.default_deadline).min(self.max_deadline));
        request.extensions_mut().insert(deadline);

        let response = tokio::select! {
            biased;
            response = deadline.bound(self.routes.clone().oneshot(request)) => match response? {
                Ok(response) => response,
                Err(never) => match never {},
            },
            () = self.over.cancelled() => return Err(going_away()),
        };

        // A unary answer is complete here; a stream has only begun, and lives until its client's own deadline.
        if method.kind == Kind::Stream {
            *ends = Ends {
                deadline: asked.and_then(|asked| begun.checked_add(asked)),
                drain: Some(if method.is_built_in { self.drain.owned() } else { self.over.clone().cancelled_owned() }),
                place,
            };
        }
        Ok(response)
    }

    /// Refuses at once rather than to let anybody wait: a queue would only make every call late.
    fn take_place(&self, method: &Method) -> Result<OwnedSemaphorePermit, Status> {
        let (places, what) = match method.kind {
            Kind::Unary => (&self.calls, "calls under way"),
            Kind::Stream => (&self.streams, "open streams"),
        };
        places.clone().try_acquire_owned().map_err(|_| {
            refuse(Code::ResourceExhausted, Reason::Overloaded, format!("this server has as many {what} as it takes; try again shortly"))
                // Spread, so that those refused together do not return together.
                .retry_after(Duration::from_millis(rand::random_range(50..250)))
                .status()
        })
    }
}
