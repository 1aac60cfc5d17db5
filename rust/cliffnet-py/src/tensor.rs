//! Tensors as the kernels see them: a pointer, sizes, strides.

use std::ffi::c_void;

use cliffnet_cpu::DType;

use crate::torch_abi::{TensorHandle, TorchFunctions};

/// An owned tensor handle; dropping it releases the reference.
pub(crate) struct Tensor<'t> {
    torch: &'t TorchFunctions,
    handle: TensorHandle,
}

impl Drop for Tensor<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is owned and not used again.
        unsafe { (self.torch.delete_tensor)(self.handle) };
    }
}

/// A device, by torch's code of its kind and its number; -1 stands for the only CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) kind: i32,
    pub(crate) index: i32,
}

/// Turns a status code into an error.
fn check(status: i32, what: &str) -> Result<(), String> {
    if status == 0 { Ok(()) } else { Err(format!("torch failed to {what}")) }
}

impl<'t> Tensor<'t> {
    /// Takes ownership of a handle.
    ///
    /// # Safety
    /// `handle` is a live tensor handle that the caller owns.
    pub(crate) unsafe fn from_handle(torch: &'t TorchFunctions, handle: TensorHandle) -> Self {
        Self { torch, handle }
    }

    /// A new CPU tensor with uninitialised memory.
    pub(crate) fn empty(torch: &'t TorchFunctions, sizes: &[i64], strides: &[i64], dtype: i32) -> Result<Self, String> {
        Self::empty_on(torch, sizes, strides, dtype, Device { kind: torch.cpu, index: 0 })
    }

    /// A new tensor with uninitialised memory.
    pub(crate) fn empty_on(
        torch: &'t TorchFunctions,
        sizes: &[i64],
        strides: &[i64],
        dtype: i32,
        device: Device,
    ) -> Result<Self, String> {
        debug_assert_eq!(sizes.len(), strides.len());
        let mut handle: TensorHandle = std::ptr::null_mut();
        // SAFETY: both slices have `sizes.len()` entries and `handle` is a valid place for the result.
        let status = unsafe {
            (torch.empty_strided)(
                sizes.len() as i64,
                sizes.as_ptr(),
                strides.as_ptr(),
                dtype,
                device.kind,
                device.index,
                &raw mut handle,
            )
        };
        if status != 0 {
            let words = torch.last_words();
            // devices have nothing else to refuse
            let is_full =
                device.kind == torch.cuda || words.as_ref().is_some_and(|words| words.contains("out of memory"));
            let message = words.unwrap_or_else(|| "torch failed to allocate the output".to_owned());
            return Err(if is_full { format!("[OutOfMemoryError] {message}") } else { message });
        }
        Ok(Self { torch, handle })
    }

    /// The handle, which stays ours.
    pub(crate) fn handle(&self) -> TensorHandle {
        self.handle
    }

    /// Gives the handle up to the dispatcher.
    pub(crate) fn into_handle(self) -> TensorHandle {
        let handle = self.handle;
        std::mem::forget(self);
        handle
    }

    /// First element (null for an empty tensor). A tensor whose memory was given back is refused.
    pub(crate) fn data(&self) -> Result<*mut u8, String> {
        let mut pointer: *mut c_void = std::ptr::null_mut();
        // SAFETY: the handle is live and `pointer` is a valid place for the result.
        check(unsafe { (self.torch.data_pointer)(self.handle, &raw mut pointer) }, "read a data pointer")?;
        if pointer.is_null() && !self.shape()?.0.contains(&0) {
            return Err("expected tensors with memory".to_owned());
        }
        Ok(pointer.cast())
    }

    /// Sizes and strides.
    pub(crate) fn shape(&self) -> Result<(&[i64], &[i64]), String> {
        let mut dimension = 0;
        let mut sizes: *mut i64 = std::ptr::null_mut();
        let mut strides: *mut i64 = std::ptr::null_mut();
        // SAFETY: the handle is live and the places for the results are valid.
        unsafe {
            check((self.torch.dimension)(self.handle, &raw mut dimension), "read a dimension")?;
            check((self.torch.sizes)(self.handle, &raw mut sizes), "read sizes")?;
            check((self.torch.strides)(self.handle, &raw mut strides), "read strides")?;
        }
        if dimension == 0 {
            return Ok((&[], &[]));
        }
        // SAFETY: torch keeps both arrays of `dimension` entries as long as the tensor lives unchanged, and `self`
        // holds a reference to it.
        Ok(unsafe {
            (
                std::slice::from_raw_parts(sizes, dimension as usize),
                std::slice::from_raw_parts(strides, dimension as usize),
            )
        })
    }

    /// Where the tensor is.
    pub(crate) fn device(&self) -> Result<Device, String> {
        let mut device = Device { kind: 0, index: 0 };
        // SAFETY: the handle is live and the places for the results are valid.
        unsafe {
            check((self.torch.device_type)(self.handle, &raw mut device.kind), "read a device")?;
            check((self.torch.device_index)(self.handle, &raw mut device.index), "read the number of a device")?;
        }
        Ok(device)
    }

    /// torch's code of the dtype and ours, when the kernels know it and the tensor is on the CPU.
    pub(crate) fn dtype(&self) -> Result<(i32, DType), String> {
        let mut kind = 0;
        // SAFETY: the handle is live and the place for the result is valid.
        check(unsafe { (self.torch.device_type)(self.handle, &raw mut kind) }, "read a device")?;
        if kind != self.torch.cpu {
            return Err("expected CPU tensors".to_owned());
        }
        self.element_type()
    }

    /// torch's code of the dtype and ours, when the kernels know it.
    pub(crate) fn element_type(&self) -> Result<(i32, DType), String> {
        let mut code = 0;
        // SAFETY: the handle is live and the place for the result is valid.
        check(unsafe { (self.torch.dtype)(self.handle, &raw mut code) }, "read a dtype")?;
        self.torch
            .dtypes
            .into_iter()
            .find(|(known, _)| *known == code)
            .map(|(_, dtype)| (code, dtype))
            .ok_or_else(|| "expected a floating dtype: float32, float64, bfloat16 or float16".to_owned())
    }
}
