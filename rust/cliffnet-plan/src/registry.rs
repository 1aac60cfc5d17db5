//! The plans of this process, by number.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{Plan, Slot};

/// The number of an interned plan. Equal plans have equal ids; an id is never freed or used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PlanId(u32);

impl PlanId {
    /// The id as the integer that crosses the operator schema.
    pub fn as_i64(self) -> i64 {
        i64::from(self.0)
    }

    /// The id of an integer; `None` if no id can have it. The plan need not exist: [`get`] tells.
    pub fn from_i64(id: i64) -> Option<Self> {
        u32::try_from(id).ok().map(Self)
    }
}

#[derive(Default)]
struct Registry {
    plans: Vec<Entry>,
    by_hash: HashMap<u128, Vec<PlanId>>,
}

struct Entry {
    plan: Arc<Plan>,
    gradients: Option<(PlanId, PlanId)>,
}

impl Registry {
    fn entry(&self, id: PlanId) -> Option<&Entry> {
        self.plans.get(id.0 as usize)
    }

    fn find(&self, plan: &Plan) -> Option<PlanId> {
        let candidates = self.by_hash.get(&plan.content_hash())?;
        candidates.iter().copied().find(|&id| self.entry(id).is_some_and(|entry| *entry.plan == *plan))
    }
}

static REGISTRY: LazyLock<RwLock<Registry>> = LazyLock::new(RwLock::default);

// nothing panics between two related writes, so that a poisoned registry is still consistent
fn read() -> RwLockReadGuard<'static, Registry> {
    REGISTRY.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> RwLockWriteGuard<'static, Registry> {
    REGISTRY.write().unwrap_or_else(PoisonError::into_inner)
}

/// The id of a plan: that of the equal plan interned before, or a new one.
pub fn intern(plan: Plan) -> PlanId {
    if let Some(id) = read().find(&plan) {
        return id;
    }
    let mut registry = write();
    // another thread may have come first between the two locks
    if let Some(id) = registry.find(&plan) {
        return id;
    }
    // memory ends before the numbers do
    let id = PlanId(registry.plans.len() as u32);
    registry.by_hash.entry(plan.content_hash()).or_default().push(id);
    registry.plans.push(Entry { plan: Arc::new(plan), gradients: None });
    id
}

/// The plan of an id; `None` for an id that this process did not give out.
pub fn get(id: PlanId) -> Option<Arc<Plan>> {
    read().entry(id).map(|entry| Arc::clone(&entry.plan))
}

/// The plans of the gradients by the left and by the right operand, made at the first call:
/// [`seen_from`](Plan::seen_from) [`Slot::Left`] and [`Slot::Right`].
pub fn gradients(id: PlanId) -> Option<(PlanId, PlanId)> {
    let plan = {
        let registry = read();
        let entry = registry.entry(id)?;
        if entry.gradients.is_some() {
            return entry.gradients;
        }
        Arc::clone(&entry.plan)
    };
    let pair = (intern(plan.seen_from(Slot::Left)), intern(plan.seen_from(Slot::Right)));
    if let Some(entry) = write().plans.get_mut(id.0 as usize) {
        entry.gradients = Some(pair);
    }
    Some(pair)
}
