-- The node of the benchmarks. Words that begin with a dollar sign are read from the environment of the process.
thread = $BENCH_THREADS
harbor = 0
start = "$BENCH_SERVICE"
bootstrap = "snlua bootstrap"
root = "$SKYNET_HOME/"
cpath = root .. "cservice/?.so"
lualoader = root .. "lualib/loader.lua"
luaservice = root .. "service/?.lua;" .. "$BENCH_SERVICES/?.lua;" .. "$BENCH_ACTORS/?.lua"
lua_path = root .. "lualib/?.lua;" .. root .. "lualib/?/init.lua"
lua_cpath = root .. "luaclib/?.so"
arguments = "$BENCH_ARGUMENTS"
