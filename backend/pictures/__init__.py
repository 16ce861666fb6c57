"""Files and frames to tensors and back; color, filters, optical flow."""
