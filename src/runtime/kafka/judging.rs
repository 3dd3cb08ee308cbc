//! What tasks judge by: configuration and tables, replaced as a whole while the program runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::partition::TaskSettings;
use crate::engine::enrich::Tables;

/// One configuration with the tables it names.
#[derive(Clone)]
pub struct Judging {
    /// Rises with every change.
    pub generation: u64,
    pub settings: Arc<TaskSettings>,
    pub tables: Arc<Tables>,
}

/// The newest; workers look at the generation every turn and take it up between two transactions.
pub struct JudgingCell {
    generation: AtomicU64,
    newest: Mutex<Judging>,
}

impl JudgingCell {
    pub fn new(settings: TaskSettings, tables: Arc<Tables>) -> JudgingCell {
        let newest = Judging { generation: 0, settings: Arc::new(settings), tables };
        JudgingCell { generation: AtomicU64::new(0), newest: Mutex::new(newest) }
    }

    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub fn get(&self) -> Judging {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, settings: TaskSettings, tables: Arc<Tables>) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = newest.generation + 1;
        *newest = Judging { generation, settings: Arc::new(settings), tables };
        self.generation.store(generation, Ordering::Release);
    }
}
