//! The pool against a device that only takes notes: what is recycled, and what waits for what.

use super::*;
use crate::driver::{ByteProduct, Function, Graph, Queue};
use crate::launch::Launch;

/// Recorder of a device with a limited memory.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Recorded>>);

#[derive(Default)]
struct Recorded {
    allocated: BTreeMap<u64, usize>,
    next: u64,
    queues: usize,
    /// Waiting queue and the queue that it waits for.
    waits: Vec<(usize, usize)>,
    filled: usize,
}

const MEMORY: usize = 1 << 20;

struct RecordingQueue(usize, Recorder);

impl Recorder {
    fn locked(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap()
    }
}

impl Driver for Recorder {
    fn name(&self) -> String {
        "notes".into()
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        let mut recorded = self.locked();
        let free = MEMORY - recorded.allocated.values().sum::<usize>();
        if bytes > free {
            return Err(Error::OutOfMemory {
                backend: "notes".into(),
                asked: bytes as u64,
                free: free as u64,
            });
        }
        recorded.next += 1;
        let address = recorded.next << 32;
        recorded.allocated.insert(address, bytes);
        Ok(Address(address))
    }

    fn release(&self, address: Address) {
        assert!(self.locked().allocated.remove(&address.0).is_some());
    }

    fn pin(&self, _: &[u8]) -> Result<Arc<dyn HostMemory>> {
        Err(crate::driver::recording::captured_wait())
    }

    fn library(&self) -> Result<()> {
        Ok(())
    }

    fn function(&self, _: &str) -> Result<Function> {
        Ok(Function(0))
    }

    fn queue(&self) -> Result<Box<dyn Queue>> {
        let mut recorded = self.locked();
        recorded.queues += 1;
        Ok(Box::new(RecordingQueue(recorded.queues, self.clone())))
    }
}

impl Queue for RecordingQueue {
    unsafe fn launch(&self, _: &Launch<'_>) -> Result<()> {
        Ok(())
    }

    unsafe fn multiply(&self, _: &ByteProduct) -> Result<()> {
        Ok(())
    }

    unsafe fn upload(&self, _: Address, _: &[u8]) -> Result<()> {
        Ok(())
    }

    unsafe fn upload_pinned(&self, _: Address, _: &dyn HostMemory) -> Result<()> {
        Ok(())
    }

    unsafe fn download(&self, _: Address, _: &mut [u8]) -> Result<()> {
        Ok(())
    }

    unsafe fn copy(&self, _: Address, _: Address, _: usize) -> Result<()> {
        Ok(())
    }

    unsafe fn fill(&self, _: Address, bytes: usize, value: u8) -> Result<()> {
        assert_eq!(value, POISON);
        self.1.locked().filled += bytes;
        Ok(())
    }

    fn record(&self) -> Result<Event> {
        Ok(Box::new(self.0))
    }

    fn wait(&self, event: &Event) -> Result<()> {
        let queue = *event.downcast_ref::<usize>().unwrap();
        self.1.locked().waits.push((self.0, queue));
        Ok(())
    }

    fn synchronize(&self) -> Result<()> {
        Ok(())
    }

    fn graph(&self, _: Vec<Work>) -> Result<Graph> {
        Ok(Box::new(()))
    }

    unsafe fn replay(&self, _: &Graph) -> Result<()> {
        Ok(())
    }
}

fn pool() -> (Recorder, Pool, Arc<OpenQueue>) {
    let recording = Recorder::default();
    let pool = Pool::new(Arc::new(recording.clone()));
    let queue = pool.open_queue().unwrap();
    (recording, pool, queue)
}

#[test]
fn memory_is_recycled_and_counted() {
    let (recording, pool, queue) = pool();
    let first = pool.take(&queue, 5000).unwrap();
    let address = first.address();
    let live = pool.memory().live;
    assert!((5000..=6144).contains(&live) && first.len() == 5000);
    drop(first);
    assert_eq!((pool.memory().live, pool.memory().pooled), (0, live));
    let again = pool.take(&queue, 4999).unwrap();
    assert_eq!(again.address(), address);
    let other = pool.take(&queue, 4999).unwrap();
    assert_ne!(other.address(), address);
    assert_eq!(pool.memory().peak, 2 * live);
    assert!(recording.locked().waits.is_empty());
    drop((again, other, queue, pool));
    assert!(recording.locked().allocated.is_empty());
}

/// With a second queue alive, memory freed meanwhile is taken only behind both.
#[test]
fn memory_freed_beside_another_queue_is_waited_for() {
    let (recording, pool, queue) = pool();
    let buffer = pool.take(&queue, 5000).unwrap();
    let side = pool.open_queue().unwrap();
    let opened = std::mem::take(&mut recording.locked().waits);
    assert_eq!(opened, [(2, 1)]);
    drop(buffer);
    assert!(recording.locked().waits.is_empty());
    let buffer = pool.take(&queue, 5000).unwrap();
    assert_eq!(recording.locked().waits, [(1, 1), (1, 2)]);
    // The queue that stays waits for one that ends: later frees carry no event of it.
    drop(side);
    assert_eq!(recording.locked().waits[2..], [(1, 2)]);
    drop(buffer);
    let _buffer = pool.take(&queue, 5000).unwrap();
    assert_eq!(recording.locked().waits.len(), 3);
}

/// Memory that was freed while there was one queue carries no event, and its last use may be in
/// flight: a queue that is opened later waits for that queue before it takes the memory.
#[test]
fn a_queue_opened_after_a_release_waits() {
    let (recording, pool, queue) = pool();
    let buffer = pool.take(&queue, 5000).unwrap();
    let address = buffer.address();
    drop(buffer);
    let side = pool.open_queue().unwrap();
    let taken = pool.take(&side, 5000).unwrap();
    assert_eq!(taken.address(), address);
    assert!(recording.locked().waits.contains(&(2, 1)));
}

/// Free memory of other sizes is given back before an allocation fails.
#[test]
fn out_of_memory_gives_back_what_is_pooled_first() {
    let (_, pool, queue) = pool();
    let half = pool.take(&queue, MEMORY / 2).unwrap();
    let quarter = pool.take(&queue, MEMORY / 4).unwrap();
    drop(half);
    let most = pool.take(&queue, 5 * MEMORY / 8).unwrap();
    assert_eq!(pool.memory().pooled, 0);
    match pool.take(&queue, MEMORY / 2) {
        Err(Error::OutOfMemory { asked, free, .. }) => {
            assert_eq!((asked, free), (MEMORY as u64 / 2, MEMORY as u64 / 8));
        }
        _ => panic!("memory beyond the device's"),
    }
    drop((most, quarter));
}

#[test]
fn poison_fills_every_buffer() {
    let (recording, pool, queue) = pool();
    pool.poison();
    drop(pool.take(&queue, 512).unwrap());
    drop(pool.take(&queue, 512).unwrap());
    assert_eq!(recording.locked().filled, 1024);
}

/// Memory that a captured sequence frees serves later graphs of the queue and nothing else; it is
/// given back with the queue. Memory behind events is left alone.
#[test]
fn graphs_keep_their_memory() {
    let (recording, pool, queue) = pool();
    let side = pool.open_queue().unwrap();
    assert!(pool.begin_capture(&queue).is_err());
    let evented = pool.take(&queue, 5000).unwrap();
    let evented_address = evented.address();
    drop(evented);
    drop(side);
    pool.begin_capture(&queue).unwrap();
    let inside = pool.take(&queue, 5000).unwrap();
    let address = inside.address();
    assert_ne!(address, evented_address);
    drop(inside);
    assert_eq!(pool.take(&queue, 5000).unwrap().address(), address);
    assert!(pool.end_capture(&queue).is_empty());
    let outside = pool.take(&queue, 5000).unwrap();
    assert_eq!(outside.address(), evented_address);
    assert_ne!(pool.take(&queue, 5000).unwrap().address(), address);
    pool.begin_capture(&queue).unwrap();
    assert_eq!(pool.take(&queue, 5000).unwrap().address(), address);
    assert!(pool.end_capture(&queue).is_empty());
    drop(outside);
    // Another thread neither takes what is the graphs' nor adds to it.
    pool.begin_capture(&queue).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert!(pool.begin_capture(&queue).is_err());
            let buffer = pool.take(&queue, 5000).unwrap();
            assert_ne!(buffer.address(), address);
            queue.fill_whole(&buffer, POISON).unwrap();
        });
    });
    assert_eq!(recording.locked().filled, 5000);
    // SAFETY: the device takes notes only.
    unsafe { queue.raw().fill(address, 512, POISON).unwrap() };
    assert_eq!(pool.end_capture(&queue).len(), 1);
    assert_eq!(recording.locked().filled, 5000);
    drop(queue);
    let memory = pool.memory();
    assert_eq!((memory.live, memory.pooled), (0, memory.peak));
    drop(pool);
    assert!(recording.locked().allocated.is_empty());
}
