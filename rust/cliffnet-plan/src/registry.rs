//! The plans of this process, by number.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::standard::{self, Standard};
use crate::{Plan, Slot};

/// The number of an interned plan.
///
/// It comes from the contents, by description or by hash: plans made alike have equal ids, in every process, so that a
/// number kept in an exported program never names another plan. An id is never freed or used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PlanId(i64);

/// Ids are below this; small enough for every integer type on the way through torch.
const ID_BOUND: i64 = 1 << 62;

impl PlanId {
    /// The id as the integer that crosses the operator schema.
    pub fn as_i64(self) -> i64 {
        self.0
    }

    /// The id of an integer; `None` if no id can have it. The plan need not exist: [`get`] tells.
    pub fn from_i64(id: i64) -> Option<Self> {
        (0..ID_BOUND).contains(&id).then_some(Self(id))
    }

    /// The first id to try for a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        let hash = (plan.content_hash() % standard::TAG as u128) as i64;
        Self(plan.standard().map_or(hash, Standard::encode))
    }

    fn next(self) -> Self {
        Self((self.0 + 1) % standard::TAG)
    }
}

#[derive(Default)]
struct Registry {
    plans: HashMap<PlanId, Entry>,
}

struct Entry {
    plan: Arc<Plan>,
    gradients: Option<(PlanId, PlanId)>,
}

impl Registry {
    fn entry(&self, id: PlanId) -> Option<&Entry> {
        self.plans.get(&id)
    }

    /// The id of an equal plan, or the id that a new plan would take.
    fn find(&self, plan: &Plan) -> Result<PlanId, PlanId> {
        let mut id = PlanId::of(plan);
        while let Some(entry) = self.entry(id) {
            if *entry.plan == *plan {
                return Ok(id);
            }
            // two plans of one hash: not seen in practice, and never taken for one another
            id = id.next();
        }
        Err(id)
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
    if let Ok(id) = read().find(&plan) {
        return id;
    }
    let mut registry = write();
    // another thread may have come first between the two locks
    match registry.find(&plan) {
        Ok(id) => id,
        Err(id) => {
            registry.plans.insert(id, Entry { plan: Arc::new(plan), gradients: None });
            id
        }
    }
}

/// The plan of an id; `None` for an id that this process did not give out.
pub fn get(id: PlanId) -> Option<Arc<Plan>> {
    read().entry(id).map(|entry| Arc::clone(&entry.plan))
}

/// The plan of an id, made again if its id describes one that this process has not met yet: a product of Cl(p,q,r) with
/// at most 12 generators between whole grades in canonical order, or a derivative of one.
///
/// Programs exported by one process name plans that another has not made; this is how they run there.
pub fn get_or_recover(id: PlanId) -> Option<Arc<Plan>> {
    get(id).or_else(|| {
        intern(Standard::decode(id.0)?.plan()?);
        get(id)
    })
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
    if let Some(entry) = write().plans.get_mut(&id) {
        entry.gradients = Some(pair);
    }
    Some(pair)
}
