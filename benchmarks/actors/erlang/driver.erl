%% The driver of Erlang in the cases about actors: driver main ACTIVITY WIDTH SECONDS.
-module(driver).
-export([main/1]).

-define(BETWEEN_LOOKS, 20).

main([Activity, Width, Seconds]) ->
    spawn(fun() ->
        Value = run(Activity, list_to_integer(Width), list_to_float(Seconds)),
        io:format("RESULT {\"value\": ~.1f}~n", [Value])
    end),
    receive never -> ok end.

run("send", Width, Seconds) ->
    Batch = case Width of 1 -> 1000; _ -> 100 end,
    Target = spawn(fun serve/0),
    rate(fun() -> send(Target, Batch), call(Target) end, Width, Seconds) * Batch;
run("call-in-turn", Width, Seconds) ->
    Targets = list_to_tuple([spawn(fun serve/0) || _ <- lists:seq(1, Width)]),
    Turn = counters:new(1, []),
    rate(fun() ->
        counters:add(Turn, 1, 1),
        call(element(counters:get(Turn, 1) rem Width + 1, Targets))
    end, 1, Seconds);
run(_, Width, Seconds) ->
    Target = spawn(fun serve/0),
    rate(fun() -> call(Target) end, Width, Seconds).

serve() ->
    receive
        {From, Reference, Value} -> From ! {Reference, Value};
        note -> ok
    end,
    serve().

call(Target) ->
    Reference = make_ref(),
    Target ! {self(), Reference, 1},
    receive {Reference, Value} -> Value end.

send(_, 0) -> ok;
send(Target, Count) ->
    Target ! note,
    send(Target, Count - 1).

rate(Act, Width, Seconds) ->
    timed(Act, Width, 0.2),
    timed(Act, Width, Seconds).

timed(Act, Width, Seconds) ->
    Started = erlang:monotonic_time(microsecond),
    Until = Started + round(Seconds * 1000000),
    Main = self(),
    [spawn(fun() -> Main ! {count, repeat(Act, Until, 0)} end) || _ <- lists:seq(1, Width)],
    Total = lists:sum([receive {count, Count} -> Count end || _ <- lists:seq(1, Width)]),
    Total * 1000000 / (erlang:monotonic_time(microsecond) - Started).

repeat(Act, Until, Count) ->
    case erlang:monotonic_time(microsecond) < Until of
        true -> some(Act, ?BETWEEN_LOOKS), repeat(Act, Until, Count + ?BETWEEN_LOOKS);
        false -> Count
    end.

some(_, 0) -> ok;
some(Act, Count) -> Act(), some(Act, Count - 1).
