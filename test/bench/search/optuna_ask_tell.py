"""Optuna behind the lines of the ask-and-tell program: it proposes, and what it proposes is evaluated elsewhere.

Usage: python3 optuna_ask_tell.py SAMPLER. Needs the package optuna; the sampler gp needs torch as well.
"""

import json
import math
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
optuna.logging.disable_default_handler()

S = optuna.samplers
SAMPLERS = {
    "random": lambda seed: S.RandomSampler(seed=seed),
    # What this version of Optuna takes by itself.
    "tpe": lambda seed: S.TPESampler(seed=seed),
    # Joint kernels without a liar: what of the versions differs is their bandwidth.
    "tpe-multivariate": lambda seed: S.TPESampler(seed=seed, multivariate=True, constant_liar=False),
    "tpe-multivariate-liar": lambda seed: S.TPESampler(seed=seed, multivariate=True, constant_liar=True),
    "tpe-group": lambda seed: S.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True),
    "gp": lambda seed: gp(seed),
}


def gp(seed):
    import torch

    # Small matrices: more threads only wait for each other.
    torch.set_num_threads(1)
    return S.GPSampler(seed=seed)


def suggest(trial, parameters):
    """Returns the values of those that are present. Each comes after the one that its condition names."""
    values, waiting = {}, list(parameters)
    while waiting:
        names = {parameter["name"] for parameter in waiting}
        for parameter in [p for p in waiting if not set(p.get("when") or {}) & names]:
            waiting.remove(parameter)
            when = parameter.get("when") or {}
            if all(values.get(name) in allowed for name, allowed in when.items()):
                values[parameter["name"]] = value_of(trial, parameter)
    return values


def value_of(trial, parameter):
    name, kind = parameter["name"], parameter["type"]
    if kind == "cat":
        return trial.suggest_categorical(name, parameter["choices"])
    ends, log = (parameter["low"], parameter["high"]), parameter.get("log", False)
    if kind == "int":
        return trial.suggest_int(name, *ends, log=log)
    return trial.suggest_float(name, *ends, log=log, step=parameter.get("step"))


class Dialogue:
    """What the lines so far have opened."""

    def __init__(self, make):
        self.make = make

    def answer(self, message):
        return getattr(self, message["op"])(**{key: value for key, value in message.items() if key != "op"})

    def init(self, space, seed=0, **_):
        self.space, self.trials = space, {}
        self.study = optuna.create_study(sampler=self.make(seed))
        return {"ok": True, "version": optuna.__version__}

    def ask(self):
        trial = self.study.ask()
        self.trials[trial.number] = trial
        return {"id": trial.number, "params": suggest(trial, self.space)}

    def tell(self, id, value):
        # An infinite loss ranks last. NaN would be a failure, from which Optuna learns nothing.
        diverged = value is None or not math.isfinite(float(value))
        self.study.tell(self.trials.pop(id), math.inf if diverged else value)
        return {"ok": True}


def main():
    import warnings

    warnings.simplefilter("ignore")
    dialogue = Dialogue(SAMPLERS[sys.argv[1]])
    for line in sys.stdin:
        print(json.dumps(dialogue.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
