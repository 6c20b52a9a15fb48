%% Line echo with gen_tcp: a process for each connection.
-module(server).
-export([main/1]).

main(["echo", Port]) ->
    Options = [binary, {packet, line}, {active, false}, {nodelay, true}, {reuseaddr, true},
               {backlog, 1024}, {ip, {127, 0, 0, 1}}, {recbuf, 65536}, {buffer, 65536}],
    {ok, Listener} = gen_tcp:listen(list_to_integer(Port), Options),
    accept(Listener).

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Pid = spawn(fun() -> receive go -> echo(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Pid),
    Pid ! go,
    accept(Listener).

echo(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Line} ->
            ok = gen_tcp:send(Socket, Line),
            echo(Socket);
        {error, _} ->
            gen_tcp:close(Socket)
    end.
