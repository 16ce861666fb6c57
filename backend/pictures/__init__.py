"""Files and frames to arrays and back; color, filters, optical flow."""
