//! A provider's queue. The worker receives nothing from it while the provider takes no requests.

use std::sync::Arc;

use super::service::Service;
use crate::aws::PolledQueue;
use crate::consumer::{Entries, Message, Source, Wait};
use crate::error::Result;
use crate::shutdown::{Stage, StopSignal};

#[derive(Clone)]
pub(super) struct RequestSource {
    pub(super) queue: PolledQueue,
    pub(super) service: Arc<dyn Service>,
    pub(super) stop: StopSignal,
}

impl Source for RequestSource {
    fn name(&self) -> &str {
        self.queue.name()
    }

    async fn receive(&self, max: usize, wait: Wait) -> Result<Vec<Message>> {
        tokio::select! {
            biased;
            () = self.service.ready() => self.queue.receive(max, wait).await,
            () = self.stop.reached(Stage::Drain) => Ok(Vec::new()),
        }
    }

    async fn delete(&self, receipts: &[String]) -> Result<Entries> {
        self.queue.delete(receipts).await
    }

    async fn extend(&self, receipts: &[String]) -> Result<Entries> {
        self.queue.extend(receipts).await
    }

    async fn release(&self, receipts: &[String]) -> Result<Entries> {
        self.queue.release(receipts).await
    }
}
