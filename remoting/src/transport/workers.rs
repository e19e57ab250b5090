//! A bounded pool of threads for work that may block or scan: cold reads, administration.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A tenth of the weight of a thread without niceness.
#[cfg(target_os = "linux")]
const LOW_NICENESS: i32 = 10;

type Job = Box<dyn FnOnce(Duration) + Send>;

/// The pool's queue has no room; the job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

/// A pool's share of the processor where there is not enough for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// As the threads of the connections.
    Normal,
    /// What else the process does goes first; a tenth remains. Linux only, as elsewhere a thread cannot be told apart.
    Low,
}

impl Priority {
    /// Sets the calling thread's.
    fn take(self) {
        #[cfg(target_os = "linux")]
        if self == Self::Low {
            // Asking for less is always granted.
            let _ = rustix::process::setpriority_process(None, LOW_NICENESS);
        }
    }
}

/// Named threads that take jobs from one bounded queue, in order.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    capacity: usize,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(Instant, Job)>,
    ended: bool,
}

impl Workers {
    /// Starts `threads` threads whose names begin with `name`.
    pub fn start(
        name: &str,
        threads: usize,
        capacity: usize,
        priority: Priority,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            capacity,
        });
        let threads = (0..threads)
            .map(|n| {
                let shared = shared.clone();
                thread::Builder::new()
                    .name(format!("{name}-{n}"))
                    .spawn(move || {
                        priority.take();
                        shared.work();
                    })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { shared, threads })
    }

    /// Queues a job; it is told how long it had to wait.
    pub fn submit(&self, job: impl FnOnce(Duration) + Send + 'static) -> Result<(), QueueFull> {
        let mut queue = self.shared.lock();
        if queue.jobs.len() >= self.shared.capacity || queue.ended {
            return Err(QueueFull);
        }
        queue.jobs.push_back((Instant::now(), Box::new(job)));
        drop(queue);
        self.shared.filled.notify_one();
        Ok(())
    }

    /// Jobs waiting, and how long the first of them has waited.
    pub fn waiting(&self) -> (usize, Duration) {
        let queue = self.shared.lock();
        let head = queue
            .jobs
            .front()
            .map_or(Duration::ZERO, |(since, _)| since.elapsed());
        (queue.jobs.len(), head)
    }

    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }
}

impl Drop for Workers {
    /// Finishes what is queued, then ends the threads.
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.filled.notify_all();
        for thread in self.threads.drain(..) {
            // The last owner may be one of the pool's own jobs.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        // Jobs run outside the lock, so a panic cannot leave the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut queue = self.lock();
        loop {
            if let Some((since, job)) = queue.jobs.pop_front() {
                drop(queue);
                job(since.elapsed());
                queue = self.lock();
            } else if queue.ended {
                return;
            } else {
                queue = self
                    .filled
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pool_of_low_priority_gives_way() {
        // The tests themselves may run at a low priority.
        let own = rustix::process::getpriority_process(None);
        let workers = Workers::start("test", 1, 1, Priority::Low).unwrap();
        let (tell, told) = mpsc::channel();
        let ask = move |_| {
            tell.send(rustix::process::getpriority_process(None))
                .unwrap()
        };
        workers.submit(ask).unwrap();
        assert_eq!(told.recv().unwrap(), Ok(LOW_NICENESS));
        assert_eq!(rustix::process::getpriority_process(None), own);
    }

    #[test]
    fn a_full_queue_refuses_and_what_was_taken_is_done() {
        let (started, is_started) = mpsc::channel();
        let (release, is_released) = mpsc::channel::<()>();
        let (done, results) = mpsc::channel();
        let workers = Workers::start("test", 1, 1, Priority::Normal).unwrap();
        workers
            .submit(move |_| {
                started.send(()).unwrap();
                is_released.recv().unwrap();
            })
            .unwrap();
        is_started.recv().unwrap();
        let again = done.clone();
        assert_eq!(workers.submit(move |_| done.send(1).unwrap()), Ok(()));
        assert_eq!(
            workers.submit(move |_| again.send(2).unwrap()),
            Err(QueueFull)
        );
        assert_eq!(workers.waiting().0, 1);
        release.send(()).unwrap();
        drop(workers);
        assert_eq!(results.iter().collect::<Vec<_>>(), [1]);
    }
}
