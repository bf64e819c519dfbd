"""Trains a small neural network to read handwritten digits: train.mjs once more, in Python.

Owns all that it needs: Python's standard library. Where NumPy is installed it is used, and makes this many times faster.
Of hypersweep it knows three environment variables, each optional: HYPERSWEEP_PARAMETERS (a JSON file),
HYPERSWEEP_SEED (an integer) and HYPERSWEEP_CHECKPOINT (a folder).
Invariant: the same parameters and seed give the same numbers, also when it was interrupted and resumed.
"""
import base64
import gzip
import json
import math
import os
import re
import signal
import sys
from array import array
from operator import mul

try:
    import numpy
except ImportError:
    numpy = None

# Every parameter with its default; train.mjs says what each one does. Without NumPy an epoch takes long: set few.
DEFAULTS = {
    "learning_rate": 0.1,
    "batch_size": 32,
    "hidden": 32,
    "momentum": 0.9,
    "weight_decay": 0.0001,
    "dropout": 0,
    "epochs": 80,
}

PIXELS = 64
CLASSES = 10
BRIGHTEST = 16
VALIDATION_DIGITS = 360
SPLIT_SEED = 1797  # The split is the same for every seed: all trials of a sweep are judged by the same digits.
LEAK = 0.01  # Below 0 a unit passes on this share. Units that pass nothing can die, and that hides a divergence.
EXIT_TERMINATED = 143  # 128 + 15: how a shell reports an end by SIGTERM.
EXIT_USAGE = 2
CHECKPOINT_FORMAT = 1


def main():
    settings = read_settings()
    seed = read_seed()
    training, validation = read_digits()
    folder = os.environ.get("HYPERSWEEP_CHECKPOINT")
    run = new_run(settings, seed)
    if folder:
        load_checkpoint(folder, run)
    terminated = []
    signal.signal(signal.SIGTERM, lambda *_: terminated.append(True))
    # A resumed run says its last line again: it may have been stopped before anybody read it.
    if run["line"] is not None:
        print(run["line"], flush=True)
    while run["epoch"] < settings["epochs"] and not terminated:
        train_loss = train_epoch(run, training)
        run["epoch"] += 1
        val_loss, val_accuracy = judge(run, validation)
        run["line"] = to_line({
            "step": run["epoch"],
            "steps": settings["epochs"],
            "train_loss": train_loss,
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
        })
        # The checkpoint comes first: a line that somebody has read is never taken back.
        if folder:
            save_checkpoint(folder, run)
        print(run["line"], flush=True)
    if run["epoch"] < settings["epochs"]:
        sys.exit(EXIT_TERMINATED)


# Parameters


def read_settings():
    """Returns the parameters: defaults, then the file, then --name=value flags. Anything unknown ends the program."""
    given = []
    file = os.environ.get("HYPERSWEEP_PARAMETERS")
    if file:
        with open(file, encoding="utf-8") as opened:
            given += json.load(opened).items()
    for flag in sys.argv[1:]:
        match = re.fullmatch(r"--([a-z_]+)=(.+)", flag) or refuse(f"Flags look like --learning_rate=0.1, not {flag}.")
        given.append((match[1], to_number(match[2])))
    settings = dict(DEFAULTS)
    for name, value in given:
        if name not in DEFAULTS:
            refuse(f"There is no parameter {name}. There are: {', '.join(DEFAULTS)}.")
        settings[name] = value
    check(settings)
    return settings


def to_number(text):
    try:
        return float(text)
    except ValueError:
        return math.nan


def check(settings):
    """Ends the program when a value cannot be meant; makes whole numbers of those that count something."""
    for name, value in settings.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value) and value >= 0):
            refuse(f"{name} must be a number from 0 up.")
    for name in ("batch_size", "hidden", "epochs"):
        if settings[name] != int(settings[name]) or settings[name] < 1:
            refuse(f"{name} must be a whole number from 1 up.")
        settings[name] = int(settings[name])
    if settings["dropout"] >= 1:
        refuse("dropout must be below 1.")


def read_seed():
    try:
        return int(os.environ.get("HYPERSWEEP_SEED") or 0)
    except ValueError:
        return refuse("HYPERSWEEP_SEED must be an integer.")


def refuse(message):
    print(message, file=sys.stderr)
    sys.exit(EXIT_USAGE)


# Data


def read_digits():
    """Returns training and validation digits, each as a pair: rows of pixels from 0 to 1, and labels."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "digits.csv.gz")
    with gzip.open(path, "rt") as opened:
        digits = [[int(value) for value in line.split(",")] for line in opened]
    shuffle(digits, {"random": SPLIT_SEED})
    return pack(digits[VALIDATION_DIGITS:]), pack(digits[:VALIDATION_DIGITS])


def pack(digits):
    rows = [[value / BRIGHTEST for value in digit[:PIXELS]] for digit in digits]
    labels = [digit[PIXELS] for digit in digits]
    return (numpy.array(rows), numpy.array(labels)) if numpy else (rows, labels)


# Chance: the generator of train.mjs, number for number. Source: Tommy Ettinger's mulberry32.


def draw(source):
    """Returns a number from 0 (included) to 1 (excluded) and moves source["random"] on."""
    state = source["random"] = (source["random"] + 0x6D2B79F5) & 0xFFFFFFFF
    bits = ((state ^ (state >> 15)) * (state | 1)) & 0xFFFFFFFF
    bits ^= (bits + (bits ^ (bits >> 7)) * (bits | 61)) & 0xFFFFFFFF
    return (bits ^ (bits >> 14)) / 2**32


def shuffle(items, source):
    """Puts a list into a random order, in place. Source: Fisher and Yates."""
    for last in range(len(items) - 1, 0, -1):
        other = int(draw(source) * (last + 1))
        items[last], items[other] = items[other], items[last]


# The run: one flat list of 32-bit weights: 64 x hidden, hidden biases, hidden x 10, 10 biases.


def new_run(settings, seed):
    """Returns a run before its first epoch. Source of the first weights: He et al., 2015."""
    hidden = settings["hidden"]
    run = {"settings": settings, "seed": seed, "epoch": 0, "random": seed & 0xFFFFFFFF, "line": None}
    weights = array("f", bytes(4 * (PIXELS * hidden + hidden + hidden * CLASSES + CLASSES)))
    second = PIXELS * hidden + hidden
    for start, end, inputs in ((0, PIXELS * hidden, PIXELS), (second, second + hidden * CLASSES, hidden)):
        bound = math.sqrt(6 / inputs)
        for index in range(start, end):
            weights[index] = (2 * draw(run) - 1) * bound
    run["weights"] = from_bytes(weights.tobytes())
    run["velocity"] = from_bytes(bytes(4 * len(weights)))
    return run


def from_bytes(content):
    return numpy.frombuffer(content, "<f4").copy() if numpy else array("f", content)


def layers(weights, hidden):
    """Returns the four parts of all weights: two layers, each with its biases."""
    second = PIXELS * hidden + hidden
    return (
        weights[:PIXELS * hidden],
        weights[PIXELS * hidden:second],
        weights[second:second + hidden * CLASSES],
        weights[second + hidden * CLASSES:],
    )


def train_epoch(run, digits):
    """Trains on every digit once, in a new random order, batch by batch; returns the mean loss."""
    rows, labels = digits
    settings = run["settings"]
    order = list(range(len(labels)))
    shuffle(order, run)
    loss = 0.0
    for start in range(0, len(order), settings["batch_size"]):
        batch = order[start:start + settings["batch_size"]]
        kept = [draw_kept(settings, run) for _ in batch] if settings["dropout"] else None
        if numpy:
            batch_loss, gradient = numpy_gradient(run, rows[batch], labels[batch], kept)
            numpy_descend(run, gradient)
        else:
            batch_loss, gradient = plain_gradient(run, [rows[i] for i in batch], [labels[i] for i in batch], kept)
            plain_descend(run, gradient)
        loss += batch_loss
    return loss / len(order)


def draw_kept(settings, run):
    """Chooses the units to leave out; the others count for more, so that the sum stays as large on average."""
    dropout = settings["dropout"]
    return [0.0 if draw(run) < dropout else 1 / (1 - dropout) for _ in range(settings["hidden"])]


def judge(run, digits):
    """Returns loss and accuracy on digits that the training has never seen."""
    rows, labels = digits
    _, scores = (numpy_forward if numpy else plain_forward)(run, rows, None)
    loss = right = 0.0
    for row, label in zip(scores, labels):
        row = [float(score) for score in row]
        loss += softmax_loss(row, label)[0]
        right += row[label] == max(row)
    return loss / len(labels), right / len(labels)


def softmax_loss(scores, label):
    """Returns the cross-entropy loss of one digit's scores, and their softmax."""
    # The largest score is taken off first, or exp would overflow long before the training diverges.
    largest = max(scores) if all(score == score for score in scores) else math.nan
    powers = [math.exp(score - largest) for score in scores]
    total = sum(powers)
    return math.log(total) + largest - scores[label], [power / total for power in powers]


# With the standard library


def plain_forward(run, rows, kept):
    hidden = run["settings"]["hidden"]
    first, first_bias, second, second_bias = layers(run["weights"], hidden)
    into_unit = [list(first[unit::hidden]) for unit in range(hidden)]
    into_class = [list(second[digit::CLASSES]) for digit in range(CLASSES)]
    units = [[leaky(sum(map(mul, row, into_unit[unit]), first_bias[unit])) for unit in range(hidden)] for row in rows]
    if kept:
        units = [list(map(mul, row, mask)) for row, mask in zip(units, kept)]
    classes = range(CLASSES)
    return units, [[sum(map(mul, row, into_class[digit]), second_bias[digit]) for digit in classes] for row in units]


def leaky(value):
    return value * LEAK if value < 0 else value


def plain_gradient(run, rows, labels, kept):
    hidden = run["settings"]["hidden"]
    second = layers(run["weights"], hidden)[2]
    from_unit = [list(second[unit * CLASSES:(unit + 1) * CLASSES]) for unit in range(hidden)]
    units, scores = plain_forward(run, rows, kept)
    loss = 0.0
    errors = []
    blames = []
    for index, label in enumerate(labels):
        digit_loss, error = softmax_loss(scores[index], label)
        error[label] -= 1
        blame = [
            sum(map(mul, error, out)) * (LEAK if unit < 0 else 1) for unit, out in zip(units[index], from_unit)
        ]
        loss += digit_loss
        errors.append(error)
        blames.append(list(map(mul, blame, kept[index])) if kept else blame)
    parts = (outer(rows, blames), map(sum, zip(*blames)), outer(units, errors), map(sum, zip(*errors)))
    return loss, [value / len(rows) for part in parts for value in part]


def outer(inputs, errors):
    """Returns, for each input and each error, the sum of their products over the batch."""
    columns = list(zip(*errors))
    return [sum(map(mul, values, column)) for values in zip(*inputs) for column in columns]


def plain_descend(run, gradient):
    settings, weights, velocity = run["settings"], run["weights"], run["velocity"]
    rate, momentum, decay = settings["learning_rate"], settings["momentum"], settings["weight_decay"]
    for index, slope in enumerate(gradient):
        velocity[index] = momentum * velocity[index] + slope + decay * weights[index]
        weights[index] -= rate * velocity[index]


# With NumPy. It computes in 64 bits and keeps 32, as the others do: so all three diverge at the same place.


def numpy_forward(run, rows, kept):
    hidden = run["settings"]["hidden"]
    first, first_bias, second, second_bias = layers(run["weights"].astype("f8"), hidden)
    units = rows @ first.reshape(PIXELS, hidden) + first_bias
    units = numpy.where(units < 0, LEAK * units, units) * (1 if kept is None else numpy.array(kept))
    return units, units @ second.reshape(hidden, CLASSES) + second_bias


def numpy_gradient(run, rows, labels, kept):
    hidden = run["settings"]["hidden"]
    second = layers(run["weights"].astype("f8"), hidden)[2].reshape(hidden, CLASSES)
    units, scores = numpy_forward(run, rows, kept)
    each = numpy.arange(len(labels))
    shifted = scores - scores.max(axis=1, keepdims=True)
    error = numpy.exp(shifted)
    total = error.sum(axis=1, keepdims=True)
    loss = float((numpy.log(total[:, 0]) - shifted[each, labels]).sum())
    error /= total
    error[each, labels] -= 1
    blame = (error @ second.T) * numpy.where(units < 0, LEAK, 1) * (1 if kept is None else numpy.array(kept))
    parts = (rows.T @ blame, blame.sum(axis=0), units.T @ error, error.sum(axis=0))
    return loss, numpy.concatenate([part.ravel() for part in parts]) / len(labels)


def numpy_descend(run, gradient):
    settings, weights, velocity = run["settings"], run["weights"], run["velocity"]
    velocity[:] = settings["momentum"] * velocity.astype("f8") + gradient + settings["weight_decay"] * weights
    weights[:] = weights - settings["learning_rate"] * velocity.astype("f8")


# Output and checkpoints


def to_line(values):
    """Returns a line of JSON. JSON has no NaN: such a number is written as a string, as JavaScript writes it."""
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return json.dumps({name: names.get(str(value), value) for name, value in values.items()})


def save_checkpoint(folder, run):
    """Writes the checkpoint so that a crash at any moment leaves the old one or the new one, never half of one."""
    os.makedirs(folder, exist_ok=True)
    part = os.path.join(folder, "state.json.part")
    state = dict(run, format=CHECKPOINT_FORMAT)
    for name in ("weights", "velocity"):
        state[name] = base64.b64encode(run[name].tobytes()).decode()
    with open(part, "w", encoding="utf-8") as opened:
        json.dump(state, opened)
        opened.flush()
        os.fsync(opened.fileno())
    os.replace(part, os.path.join(folder, "state.json"))


def load_checkpoint(folder, run):
    """Takes up the run that the folder holds, unless it is of other parameters or another seed. Epochs may grow."""
    path = os.path.join(folder, "state.json")
    if not os.path.exists(path):
        return
    state = read_state(path)
    if state is None or not continues(state, run):
        print(f"{path} is not of this run: starting anew.", file=sys.stderr)
        return
    # A checkpoint of train.mjs holds the state of chance with a sign; Python keeps it without.
    run.update(epoch=state["epoch"], line=state["line"], random=state["random"] & 0xFFFFFFFF)
    for name in ("weights", "velocity"):
        run[name] = from_bytes(base64.b64decode(state[name]))


def read_state(path):
    """Returns a file's state, or None when a full disk or a power cut has left something else in it."""
    try:
        with open(path, encoding="utf-8") as opened:
            return json.load(opened)
    except ValueError:
        return None


def continues(state, run):
    if state.get("format") != CHECKPOINT_FORMAT or state["seed"] != run["seed"]:
        return False
    settings = dict(state["settings"], epochs=run["settings"]["epochs"])
    return settings == run["settings"] and state["epoch"] <= run["settings"]["epochs"]


if __name__ == "__main__":
    if numpy:
        numpy.seterr(all="ignore")  # A divergence is told by the numbers, not by warnings.
    main()
