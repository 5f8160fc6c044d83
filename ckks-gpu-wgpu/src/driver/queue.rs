//! Commands in order: recorded, submitted in batches, waited for only by downloads and
//! `synchronize`.
//!
//! Arguments, small constants and short uploads are collected on the host and reach the device
//! before the batch that reads them, in one buffer that all batches share: the device takes the
//! writes of a later batch after the commands of the earlier one.

use super::Card;
use crate::kernels::Kernels;
use ckks_math::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The words of the arguments of one launch; `Args` of `blocks.wgsl`.
pub type Args = [u32; 64];
/// Words of arguments and constants of one batch, at first: some 256 launches with few constants.
const STAGED: usize = 1 << 15;
/// Words of an upload that become part of a batch; those of a longer one end it, and are copied
/// once.
const SHORT: usize = STAGED / 4;
/// Bytes that are downloaded, or uploaded between submissions, at a time.
const PIECE: u64 = 32 << 20;

/// A buffer and where a kernel has it.
pub type Bound<'a> = (u32, &'a wgpu::Buffer);

/// One launch.
pub struct Dispatch<'a> {
    /// Its kernel.
    pub kernel: &'static str,
    /// Workgroups.
    pub groups: u32,
    /// The words of `Args`.
    pub args: &'a Args,
    /// Constants that it reads.
    pub constants: &'a [u32],
    /// Blocks that it reads or writes.
    pub bound: &'a [Bound<'a>],
}

/// An adapter with its kernels and the commands not yet submitted.
pub struct Queue {
    card: Card,
    kernels: Kernels,
    batch: Mutex<Batch>,
}

struct Batch {
    args: wgpu::Buffer,
    /// What the commands recorded read of it.
    staged: Vec<u32>,
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
    landing: Option<wgpu::Buffer>,
}

impl Queue {
    /// The queue of an adapter.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device has failed.
    pub fn new(card: Card) -> Result<Arc<Self>> {
        let kernels = Kernels::new(&card);
        let batch = Mutex::new(Batch {
            args: arguments(&card, STAGED)?,
            staged: Vec::new(),
            pass: None,
            encoder: None,
            landing: None,
        });
        Ok(Arc::new(Self {
            card,
            kernels,
            batch,
        }))
    }

    /// The adapter.
    pub const fn card(&self) -> &Card {
        &self.card
    }

    /// Records a launch.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device has failed.
    pub fn dispatch(&self, dispatch: &Dispatch<'_>) -> Result<()> {
        self.card.failure.check()?;
        if dispatch.groups == 0 {
            return Ok(());
        }
        let bindings = dispatch.bound.iter().map(|&(binding, _)| binding);
        let pipeline = self
            .kernels
            .pipeline(&self.card, dispatch.kernel, bindings)?;
        // An array without a length in a kernel has an element at least, and the whole is aligned.
        let words = dispatch.args.len() + dispatch.constants.len().max(4);
        let words = words.next_multiple_of(self.card.alignment as usize / 4);
        let mut batch = self.batch();
        let at = self.reserve(&mut batch, words)?;
        let (args, constants) = batch.staged[at..].split_at_mut(dispatch.args.len());
        args.copy_from_slice(dispatch.args);
        constants[..dispatch.constants.len()].copy_from_slice(dispatch.constants);

        let mut entries = vec![wgpu::BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &batch.args,
                offset: 4 * at as u64,
                size: std::num::NonZeroU64::new(4 * words as u64),
            }),
        }];
        entries.extend(dispatch.bound.iter().map(|&(n, buffer)| entry(n, buffer)));
        let group = self
            .card
            .device
            .create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(dispatch.kernel),
                layout: &pipeline.layout,
                entries: &entries,
            });
        let x = dispatch.groups.min(self.card.extent);
        let pass = batch.pass(&self.card);
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(x, dispatch.groups.div_ceil(x), 1);
        Ok(())
    }

    /// Records a copy of bytes.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device has failed.
    pub fn copy(
        &self,
        (from, from_byte): (&wgpu::Buffer, u64),
        (to, to_byte): (&wgpu::Buffer, u64),
        bytes: u64,
    ) -> Result<()> {
        self.card.failure.check()?;
        let mut batch = self.batch();
        let encoder = batch.encoder(&self.card);
        encoder.copy_buffer_to_buffer(from, from_byte, to, to_byte, bytes);
        Ok(())
    }

    /// Records that a buffer becomes zeros.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device has failed.
    pub fn clear(&self, buffer: &wgpu::Buffer) -> Result<()> {
        self.card.failure.check()?;
        self.batch()
            .encoder(&self.card)
            .clear_buffer(buffer, 0, None);
        Ok(())
    }

    /// Writes words of the host into a buffer, in order.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device has failed.
    pub fn upload(&self, buffer: &wgpu::Buffer, byte: u64, words: &[u32]) -> Result<()> {
        self.card.failure.check()?;
        let mut batch = self.batch();
        if words.len() <= SHORT {
            let at = self.reserve(&mut batch, words.len())?;
            batch.staged[at..][..words.len()].copy_from_slice(words);
            let (from, bytes) = (batch.args.clone(), 4 * words.len() as u64);
            let encoder = batch.encoder(&self.card);
            encoder.copy_buffer_to_buffer(&from, 4 * at as u64, buffer, byte, bytes);
            return Ok(());
        }
        // Writes come before the commands recorded but not submitted, which may read the buffer.
        self.submit(&mut batch)?;
        let mut at = byte;
        for piece in bytemuck::cast_slice(words).chunks(PIECE as usize) {
            self.card.queue.write_buffer(buffer, at, piece);
            at += piece.len() as u64;
            // A submission lets a large staged copy go as soon as it has arrived.
            if piece.len() as u64 == PIECE {
                self.card.queue.submit([]);
            }
        }
        self.card.failure.check()
    }

    /// Reads the first words of a buffer, a piece at a time; waits.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device has failed.
    pub fn download(
        &self,
        buffer: &wgpu::Buffer,
        words: usize,
        mut take: impl FnMut(&[u32]),
    ) -> Result<()> {
        let mut batch = self.batch();
        let landing = match batch.landing.take() {
            Some(landing) => landing,
            None => buffer_for(&self.card, wgpu::BufferUsages::MAP_READ, PIECE)?,
        };
        let mut from = 0;
        while from < 4 * words as u64 {
            let bytes = (4 * words as u64 - from).min(PIECE);
            let encoder = batch.encoder(&self.card);
            encoder.copy_buffer_to_buffer(buffer, from, &landing, 0, bytes);
            self.submit(&mut batch)?;
            let slice = landing.slice(..bytes);
            let (done, mapped) = std::sync::mpsc::channel();
            slice.map_async(wgpu::MapMode::Read, move |result| {
                // Nobody listens any more where waiting has failed.
                let _ = done.send(result);
            });
            self.wait()?;
            let mapped = mapped.recv().map_err(|e| e.to_string());
            let mapped = mapped.and_then(|m| m.map_err(|e| e.to_string()));
            let view = mapped
                .and_then(|()| slice.get_mapped_range().map_err(|e| e.to_string()))
                .map_err(|e| self.card.failure.device(format!("a download failed: {e}")))?;
            take(bytemuck::cast_slice(&view));
            drop(view);
            landing.unmap();
            from += bytes;
        }
        batch.landing = Some(landing);
        Ok(())
    }

    /// Submits what is recorded.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device has failed.
    pub fn flush(&self) -> Result<()> {
        self.submit(&mut self.batch())
    }

    /// Waits for everything submitted.
    ///
    /// # Errors
    /// [`ckks_math::Error::Device`] where the device has failed.
    pub fn wait(&self) -> Result<()> {
        let waited = self.card.device.poll(wgpu::PollType::wait_indefinitely());
        self.card.failure.check()?;
        waited
            .map(drop)
            .map_err(|e| self.card.failure.device(format!("waiting failed: {e}")))
    }

    /// Room for words that commands of the batch read, zeros at first: where it begins, aligned.
    fn reserve(&self, batch: &mut Batch, words: usize) -> Result<usize> {
        let words = words.next_multiple_of(self.card.alignment as usize / 4);
        if batch.staged.len() + words > batch.room() {
            self.submit(batch)?;
        }
        if words > batch.room() {
            batch.args = arguments(&self.card, words.next_power_of_two())?;
        }
        let at = batch.staged.len();
        batch.staged.resize(at + words, 0);
        Ok(at)
    }

    fn submit(&self, batch: &mut Batch) -> Result<()> {
        // The pass ends before the encoder does.
        batch.pass = None;
        if let Some(encoder) = batch.encoder.take() {
            let queue = &self.card.queue;
            let words = bytemuck::cast_slice(&batch.staged);
            queue.write_buffer(&batch.args, 0, words);
            queue.submit([encoder.finish()]);
            batch.staged.clear();
        }
        self.card.failure.check()
    }

    fn batch(&self) -> MutexGuard<'_, Batch> {
        // A batch is consistent between statements: a panic elsewhere cannot break it.
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    /// Words of arguments and constants that it holds.
    fn room(&self) -> usize {
        self.args.size() as usize / 4
    }

    /// The pass that launches are recorded in.
    fn pass(&mut self, card: &Card) -> &mut wgpu::ComputePass<'static> {
        if self.pass.is_none() {
            let encoder = self.encoder(card);
            let pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            self.pass = Some(pass.forget_lifetime());
        }
        self.pass.as_mut().expect("made above")
    }

    /// The encoder, outside of a pass.
    fn encoder(&mut self, card: &Card) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        self.encoder.get_or_insert_with(|| {
            let descriptor = wgpu::CommandEncoderDescriptor::default();
            card.device.create_command_encoder(&descriptor)
        })
    }
}

fn arguments(card: &Card, words: usize) -> Result<wgpu::Buffer> {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    buffer_for(card, usage, 4 * words as u64)
}

fn buffer_for(card: &Card, usage: wgpu::BufferUsages, size: u64) -> Result<wgpu::Buffer> {
    let buffer = card.buffer(size, usage);
    buffer.ok_or_else(|| card.failure.memory(size, 0))
}

fn entry(binding: u32, buffer: &wgpu::Buffer) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry {
        binding,
        resource: buffer.as_entire_binding(),
    }
}
