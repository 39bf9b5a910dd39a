"""What a process loads when it starts, kept out of the way of the garbage collector."""

import gc


def settle() -> None:
    """Call it once all is loaded that lives as long as the process.

    What is there now is never looked through again: a full collection, which keeps everything in the process waiting,
    costs by what came after. It was a tenth of what accepting thousands of jobs costs.
    """
    gc.collect()
    gc.freeze()
