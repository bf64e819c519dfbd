/**
 * The first help that a person reads: how to begin, then what there is.
 */
export const ROOT_HELP = `hypersweep: a pool of friends' machines that runs hyperparameter sweeps, with no server.

GET STARTED
  hypersweep demo                    See a pool of three machines at work on this one
  hypersweep init --name lab         Found a pool; this machine is its first
  hypersweep invite                  Get a text to send to a friend, who types
  hypersweep join INVITE                this, to come in
  hypersweep up                      Put this machine to work
  hypersweep submit sweep.yaml       Start a sweep
  hypersweep watch                   See it run
  hypersweep best                    See what it found

POOL
  init       Found a pool
  invite     Let a friend in
  join       Come into a friend's pool
  machine    The machines of the pool: list, view
  bootstrap  Run a DHT node, for a pool without internet

THIS MACHINE
  up         Start the agent: this machine works for the pool
  down       Stop the agent
  pause      Take this machine back for a while: to play, to work
  resume     End a pause
  status     What the agent does, and how the pool is
  doctor     Find out what is wrong
  verify     Check that nothing of the store is damaged
  demo       See all of it at work, without friends

SWEEPS
  check      Check a sweep file, and show what it would run
  import     Make a sweep file from Optuna's, Axolotl's or W&B's
  simulate   How long a sweep would take, and which trials fit whom
  submit     Start a sweep from its file
  approve    Let this machine run a friend's sweep
  watch      A live screen of the pool and a sweep
  best       The best trials of a sweep, and how to repeat them
  sweep      Sweeps: list, view, insight, stop
  trial      Trials of a sweep: list, view, explain, logs

Every command has --help. Those that show something have --json.
Exit status: 0 done, 1 failed, 2 wrong usage or file, 3 no agent is running, 4 not found, 5 refused, 6 timed out,
130 interrupted.
Environment: HYPERSWEEP_HOME names this machine's folder; NO_COLOR; HYPERSWEEP_DEBUG=1 shows where an error came from.
`
