"""A gate for kernels that nobody trusts: `handgrad check-function`.

names         `module:name`, and where its file is
wire, arena   what two processes say to each other: JSON and bytes, and memory that both see
errors        an error of the candidate as data, and back
worker        the candidate's process
watch         in it: does autograd or the reference compute for the candidate?
zygote        its parent: a process that has imported torch, and forks
process       the judge's side: start, ask, stop; how a process died
remote        the candidate as a function that the check can call and differentiate
samples       random samples that the candidate cannot know
probes        results that depend on earlier calls
conditioning  problems that nobody can judge
tricks        ways to pass without computing, in words
result        GateResult: verdict, JSON, text
gate          all of it
"""
