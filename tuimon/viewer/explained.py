"""What each panel shows, in words for a beginner; `?` shows that of the panel with the focus. Knows no widget."""

from __future__ import annotations

EXPLAINED = {
    "loss": (
        "the loss",
        "How wrong the model is, step by step; lower is better. `train` is measured on the examples that the model learns "
        "from, `val` on examples that it never learns from. Both falling: it learns. `val` rising while `train` falls: it "
        "learns its examples by heart (overfitting). Flat from the start: it learns nothing. Jagged and high: the "
        "learning rate may be too large. A mark on the chart is a step at which something was changed.",
    ),
    "metrics": (
        "the small charts",
        "Everything else that the run logs, one chart each. The learning rate `lr` is the size of a step; accuracy is the "
        "share of right answers. Move between charts with the arrows, enlarge one with enter, pin it to the top with *.",
    ),
    "levers": (
        "the levers",
        "What you can change while it trains, and what it is set to. A change takes effect between two steps, is written "
        "to the log, and can be undone with u. Regularizers (weight decay, l1, l2, dropout) keep the weights small or the "
        "model from relying on single units, which helps against overfitting.",
    ),
    "events": (
        "the events",
        "What happened, with the step: started, changed, saved, found, ended. A finding comes when it has lasted for a "
        "while, and is told again when it is over.",
    ),
    "output": (
        "the console",
        "What the training itself prints, as in a terminal. / finds text in it, n and N go from match to match.",
    ),
    "gpu": (
        "the GPUs",
        "How busy each graphics card is, how much of its memory is used, its power and temperature. A utilization far "
        "below 100 % means that it waits, often for data: more loader workers or a larger batch may help. Nearly full "
        "memory means that a larger batch will not fit.",
    ),
    "host": (
        "the host",
        "How busy the computer is, its memory, and what of it the training process uses. `proc` at 100 % is one core at "
        "full speed. Memory that grows from step to step is a leak.",
    ),
    "layers": (
        "the layers",
        "Each layer of the model at its latest sample. grad norm: how strongly the loss pulls at its weights; values that "
        "shrink from layer to layer towards the input are vanishing gradients, huge ones are exploding. dead: units that "
        "output zero for every example, and so learn nothing. upd.ratio: how much a step changes the weights, relative to "
        "their size; usual are 10^-4 to 10^-2: far less is slow, far more is unstable.",
    ),
    "detail": (
        "one layer",
        "The selected layer in numbers: its type, its parameters, the size of its weights and gradients, and how many of "
        "its units are dead (always zero) or saturated (stuck at the end of their activation, where the gradient is "
        "nearly zero).",
    ),
    "histogram": (
        "the histogram",
        "How the gradients, activations, weights or updates (what one step adds to the weights) of a layer are spread, "
        "through time. Each row is a power of two of their size, and the darker a cell, the more of them are there. "
        "Gradients that drift towards tiny sizes are vanishing, towards large ones exploding. k switches between the "
        "four, K shows all layers side by side, from the input to the output.",
    ),
    "failure": (
        "why it failed",
        "The error that ended the run, where in the program it was raised, the last finite loss and its step, and what "
        "you can do next.",
    ),
    "findings": (
        "the findings",
        "Problems that the log shows and that cost the training something: critical (it is lost or learns nothing), "
        "warning (it costs a lot), hint. What another finding causes stands below that. f applies the first fix of the "
        "latest one.",
    ),
    "overlay": (
        "the curves of all runs",
        "One curve for each run, in one chart, at the same steps. Compare how fast they fall and where they end; small "
        "differences between runs may be luck: train each with several seeds before you choose.",
    ),
    "overlays": (
        "the small charts",
        "The other metrics of all runs, with the colours of the chart above. Enter enlarges one.",
    ),
    "final": (
        "the table",
        "Each run's settings, as far as they differ, with its last and best values. * marks the best of a column. v hides "
        "a run from the charts.",
    ),
}  # by the panel's id: a title, and a paragraph
